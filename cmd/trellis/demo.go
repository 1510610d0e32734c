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
stops.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd.Flags())
			if err != nil {
				return err
			}
			cfg.Service = demoService
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
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	if stay {
		log = newLogger(cfg.LogLevel)
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
