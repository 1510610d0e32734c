package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"trellis.example/auth"
)

// mllpFlags are what is agreed with a partner that speaks HL7 v2 over MLLP.
type mllpFlags struct{ b auth.MLLPBinding }

func (m *mllpFlags) add(f *pflag.FlagSet) {
	f.StringVar(&m.b.MSH3, "mllp-app", "", "HL7 v2 sending application (MSH-3) bound to it")
	f.StringVar(&m.b.MSH4, "mllp-facility", "", "HL7 v2 sending facility (MSH-4) bound to it")
	f.StringVar(&m.b.CertSHA256, "mllp-cert-sha256", "", "SHA-256 of the certificate that its MLLP connection must show")
	f.StringVar(&m.b.CN, "mllp-cn", "", "common name of that certificate instead")
	f.StringVar(&m.b.ReplyTo, "mllp-reply-to", "", "host:port where its system takes answers (RRI) over MLLP")
	f.StringVar(&m.b.TLSName, "mllp-tls-name", "", "name in the certificate at --mllp-reply-to (default its host)")
	f.StringVar(&m.b.OurApplication, "mllp-our-app", "", "MSH-3 of what is sent to it (default TRELLIS)")
	f.StringVar(&m.b.OurFacility, "mllp-our-facility", "", "MSH-4 of what is sent to it")
	f.StringVar(&m.b.ReplyApplication, "mllp-reply-app", "", "MSH-5 of what is sent to it (default --mllp-app)")
	f.StringVar(&m.b.ReplyFacility, "mllp-reply-facility", "", "MSH-6 of what is sent to it (default --mllp-facility)")
	f.StringVar(&m.b.Version, "mllp-version", "", "HL7 v2 version of what is sent to it (default that of its own message)")
	f.StringVar(&m.b.Charset, "mllp-charset", "", `character set of its messages that state none and of what is sent to it: "UNICODE UTF-8", 8859/1 or ASCII`)
	f.BoolVar(&m.b.CommitAck, "mllp-commit-ack", false, "answer with CA, CE and CR where it asks for an accept acknowledgement")
	f.StringVar(&m.b.Answer, "mllp-answer", "ack", "what it waits for on its own connection: ack (the RRI follows later), or rri")
}

// read returns the binding that the flags describe; nil when they name no
// sender.
func (m *mllpFlags) read(partner string) *auth.MLLPBinding {
	b := m.b
	if b.MSH3 == "" && b.MSH4 == "" && b.CertSHA256 == "" && b.CN == "" {
		return nil
	}
	if b.Answer == "ack" {
		b.Answer = ""
	}
	b.Partner = partner
	return &b
}

func newClientMLLP() *cobra.Command {
	var bind mllpFlags
	var partner string
	cmd := &cobra.Command{
		Use:   "mllp ID",
		Short: "Replace what is agreed with a client about HL7 v2 over MLLP; without flags it ends",
		Example: `  trellis client mllp hospital --mllp-app PAS --mllp-facility RXX01 --mllp-reply-to pas.example.org:2575 --mllp-commit-ack
  trellis client mllp hospital`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withRegistry(cmd, func(r *auth.Registry) error {
				c, err := r.Bind(cmd.Context(), args[0], bind.read(partner))
				if err != nil {
					return err
				}
				return printJSON(cmd.OutOrStdout(), struct {
					ID   string            `json:"client_id"`
					MLLP *auth.MLLPBinding `json:"mllp"`
				}{c.ID, c.MLLP})
			})
		},
	}
	addFlags(cmd.Flags(), storeFlags...)
	bind.add(cmd.Flags())
	cmd.Flags().StringVar(&partner, "partner", "", "name of the partner agreement")
	return cmd
}
