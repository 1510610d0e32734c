package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trellis.example/cmd/trellis/internal/bench"
)

// newBench measures a gateway that it starts itself. A target that is missed
// is a finding, not a failure of the command.
func newBench() *cobra.Command {
	var c bench.Config
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a gateway of its own and print the figures beside the targets",
		Long: `Starts a gateway on a temporary folder and free loopback ports, sends it
invented referrals, reads and searches, and prints what came out beside the
targets. Then it fills stores by import, with records of several organisations,
and measures what a practice finds among them. The gateway is stopped and its
folder removed in the end.

Measures: ` + strings.Join(bench.IDs(), " "),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			exe, err := os.Executable()
			if err != nil {
				return err
			}
			c.Exe, c.Progress = exe, progress(cmd.ErrOrStderr())
			rep, err := bench.Run(cmd.Context(), c)
			if err != nil {
				return err
			}
			if asJSON {
				return rep.JSON(cmd.OutOrStdout())
			}
			return rep.Table(cmd.OutOrStdout())
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&c.Mongo, "mongo", os.Getenv(envName("mongo")), "MongoDB URI instead of the embedded store; a database of its own is made there ["+envName("mongo")+"]")
	fs.Lookup("mongo").DefValue = "" // a URI may hold a password
	fs.DurationVar(&c.Duration, "duration", 5*time.Second, "how long each kind of request is sent, 100ms to 2m")
	fs.IntVar(&c.Clients, "clients", 8, "how many send at once, 1 to 256")
	fs.StringSliceVar(&c.Only, "only", nil, "run these measures only")
	fs.StringVar(&c.Profile, "profile", "", "keep CPU profiles of the gateway: cpu.pprof makes cpu.create.pprof and so on")
	fs.BoolVar(&c.Large, "large", false, "measure a store of 1,000,000 resources too; takes minutes and some GB of disk")
	fs.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// progress shows one bar on a terminal, and one line a measure elsewhere.
func progress(w io.Writer) func(done, of int, what string) {
	const width = 20
	f, ok := w.(*os.File)
	terminal := false
	if ok {
		info, err := f.Stat()
		terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return func(done, of int, what string) {
		full := done * width / max(of, 1)
		bar := strings.Repeat("#", full) + strings.Repeat(".", width-full)
		switch {
		case terminal && done == of:
			fmt.Fprint(w, "\r\x1b[K")
		case terminal:
			fmt.Fprintf(w, "\r\x1b[K[%s] %d/%d %s", bar, done, of, what)
		case done < of:
			fmt.Fprintf(w, "%d/%d %s\n", done+1, of, what)
		}
	}
}
