package main

import (
	"os"

	"github.com/spf13/cobra"

	"trellis.example/gateway"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `Run the gateway until it is told to stop (interrupt or SIGTERM), then finish
what is in hand.

Every flag is also a variable (shown in brackets) and a key of the --config
file; a flag wins over a variable, a variable over the file. The addresses it
listens on are printed as JSON log lines; port 0 picks a free one.`,
		Example: `  trellis serve
  trellis serve --mongo 'mongodb://db1,db2,db3/?replicaSet=rs0' --listen 0.0.0.0:8443 --public-url https://referrals.example --tls-cert cert.pem --tls-key key.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			log, flush := newLogger(os.Stderr, cfg.LogLevel)
			defer flush()
			g, err := gateway.Open(cmd.Context(), cfg, log)
			if err != nil {
				return err
			}
			return g.Serve(cmd.Context())
		},
	}
	addFlags(cmd.Flags())
	return cmd
}
