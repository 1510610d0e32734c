package main

import (
	"os"
	"runtime/debug"

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
			tuneCollector()
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

// How a gateway collects garbage: rarely while its heap is small, as usual once
// it nears memoryLimit (bytes, a soft limit).
const (
	collectAt   = 200
	memoryLimit = 192 << 20
)

// tuneCollector sets the garbage collector for a process that serves. What a
// request allocates is dead when it is answered and the live heap is some tens
// of MB, so that Go's default of collecting at twice that would mark the same
// data again and again for a few MB. The limit keeps the whole process below
// 300 MB all the same, with what the embedded store holds outside the heap. An
// operator who sets GOGC or GOMEMLIMIT decides that one alone.
func tuneCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
