package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"trellis.example/gateway"
)

//go:embed demo
var demoFiles embed.FS

func newDemo() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start on loopback, send one referral per partner format, show where to look, then serve",
		Long: `Start the gateway on loopback with the embedded store, register demo partners at
the first start, and send one referral per partner format through its own public
ports: plain FHIR, HL7 v2 over MLLP, a police CSV and a BaRS message. Then serve
until interrupted. --once does it on a throw-away folder and free ports, and
stops. A database, a public URL and certificates that are set for trellis serve
are not used.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := readConfig(cmd)
			if err != nil {
				return err
			}
			if cfg, err = demoConfig(cfg); err != nil {
				return err
			}
			if !cmd.Flags().Changed("log-level") {
				cfg.LogLevel = "warn" // the steps are for reading, without a log between them
			}
			tuneCollector()
			if once {
				return demoOnce(cmd.Context(), cfg, cmd.OutOrStdout())
			}
			return demo(cmd.Context(), cfg, cmd.OutOrStdout(), true)
		},
	}
	addFlags(cmd.Flags())
	cmd.Flags().BoolVar(&once, "once", false, "use a throw-away folder and free ports, and stop when done")
	return cmd
}

// demoConfig keeps the demo to itself: its clients and documents must not reach
// a database or an address that others use.
func demoConfig(cfg gateway.Config) (gateway.Config, error) {
	cfg.Mongo, cfg.PublicURL, cfg.Service = "", "", demoService
	cfg.TLSCert, cfg.TLSKey, cfg.MLLPCert, cfg.MLLPKey, cfg.MLLPClientCA = "", "", "", "", ""
	for _, l := range []struct{ name, addr string }{{"listen", cfg.Listen}, {"admin", cfg.Admin}, {"mllp", cfg.MLLP}} {
		if !gateway.IsLoopback(l.addr) {
			return cfg, fmt.Errorf("the demo is for this machine alone: --%s must be a loopback address, such as 127.0.0.1:0", l.name)
		}
	}
	return cfg, cfg.Validate()
}

func demoOnce(ctx context.Context, cfg gateway.Config, out io.Writer) error {
	dir, err := os.MkdirTemp("", "trellis-demo-")
	if err != nil {
		return err
	}
	cfg.Data, cfg.Listen, cfg.Admin, cfg.MLLP = dir, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	return errors.Join(demo(ctx, cfg, out, false), os.RemoveAll(dir))
}

// demo runs the gateway and, beside it, its partners.
func demo(ctx context.Context, cfg gateway.Config, out io.Writer, stay bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	log := slog.New(slog.DiscardHandler)
	if stay {
		var flush func()
		log, flush = newLogger(os.Stderr, cfg.LogLevel)
		defer flush()
	}
	start := time.Now()
	g, err := gateway.Open(ctx, cfg, log)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve(ctx) }()
	p := &partners{g: g, out: out, data: cfg.Data, start: start}
	if err := p.play(ctx); err != nil {
		cancel()
		return errors.Join(fmt.Errorf("demo: %w", err), <-served)
	}
	if !stay {
		cancel()
		return <-served
	}
	fmt.Fprintln(out, "\nServing until you press Ctrl-C.")
	return <-served
}
