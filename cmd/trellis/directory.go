package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trellis.example/gateway"
	"trellis.example/gateway/directory"
	"trellis.example/gateway/store"
)

func newDirectory() *cobra.Command {
	c := &cobra.Command{Use: "directory", Short: "Keep the directory of community services"}
	c.AddCommand(newDirectoryPull())
	return c
}

func newDirectoryPull() *cobra.Command {
	var feed directory.Feed
	var asJSON bool
	cmd := &cobra.Command{
		Use: "pull URL", Short: "Take in an Open Referral UK directory", Args: cobra.ExactArgs(1),
		Long: `Take in an Open Referral UK directory: every service with its organisation and
places. URL is the stub of its endpoints, without "/services".

Services that changed become new versions, services that are gone become
inactive, the others stay untouched. A pull that was stopped goes on where it was
when it is called again. A service with faults is reported and left out; the
others are taken. A feed is asked politely (--rate) and again when it stumbles.

No gateway may serve an embedded store meanwhile; one that serves pulls by itself
(trellis serve --directory-feed). A MongoDB store may be pulled into at any time.

Exit 0: all services stored, 1: some were left out, 2: could not run or not to its
end.`,
		Example: `  trellis directory pull https://directory.council.example/openreferral/v3
  trellis directory pull https://old.council.example/o/ServiceDirectoryService/v2 --version 1 --data data`,
		RunE: func(cmd *cobra.Command, args []string) error {
			feed.URL = args[0]
			if feed.Version != 1 && feed.Version != 3 {
				return errors.New("--version: Open Referral UK has versions 3 and 1 here")
			}
			return withStore(cmd, true, func(cfg gateway.Config, s store.Store) error {
				if cfg.FreePort() {
					return errors.New("the index depends on the public URL; name it with --public-url")
				}
				return pullDirectory(cmd, cfg, s, feed, asJSON)
			})
		},
	}
	addFlags(cmd.Flags(), indexFlags...)
	fs := cmd.Flags()
	fs.IntVar(&feed.Version, "version", 3, "version of the standard that the directory follows, 3 or 1")
	fs.BoolVar(&feed.Private, "allow-private", false, "the directory is yours: allow http and internal addresses")
	fs.BoolVar(&feed.Changed, "changed", false, "ask only for what changed since the last complete pull, as far as the directory can tell")
	fs.BoolVar(&feed.Afresh, "afresh", false, "ask for every service again, whatever is remembered")
	fs.BoolVar(&feed.Vanish, "accept-vanished", false, "let more than half of the services become inactive at once")
	fs.Float64Var(&feed.Rate, "rate", 10, "questions a second")
	fs.IntVar(&feed.PerPage, "per-page", 100, "services a page is asked to hold")
	fs.BoolVar(&asJSON, "json", false, "print one JSON document for programs")
	return cmd
}

func pullDirectory(cmd *cobra.Command, cfg gateway.Config, s store.Store, feed directory.Feed, asJSON bool) error {
	p, err := gateway.Puller(cmd.Context(), cfg, s, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
	if err != nil {
		return err
	}
	bar := newMeter(cmd, -1, "services")
	total := 0
	p.Progress = func(done, of int) {
		if total == 0 && of > 0 {
			total = of
			bar = newMeter(cmd, of, "services")
		}
		bar.at(done)
	}
	began := time.Now()
	r, err := p.Pull(cmd.Context(), feed)
	bar.end()
	if printErr := printPull(cmd, r, time.Since(began), asJSON); printErr != nil {
		return printErr
	}
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("stopped; call the same command to go on")
	case err != nil:
		return err
	case r.Rejected > 0:
		return errFaults
	}
	return nil
}

func printPull(cmd *cobra.Command, r directory.Report, took time.Duration, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(out, "warning: %s\n", w)
	}
	for i, f := range r.Refused {
		if i == maxShown {
			fmt.Fprintf(out, "… and %d more; --json lists them\n", len(r.Refused)-maxShown)
			break
		}
		fmt.Fprintf(out, "service %s was left out:\n", f.ID)
		for _, is := range f.Issues {
			fmt.Fprintf(out, "  %s\n", strings.TrimSpace(is.Source+" "+is.Expression)+": "+is.Text)
		}
	}
	_, err := fmt.Fprintf(out, "%d services on %d pages, %d asked for: %d created, %d updated, %d unchanged, %d left out; %d became inactive (%s)\n",
		r.Services, r.Pages, r.Asked, r.Created, r.Updated, r.Unchanged, r.Rejected, r.Inactive, took.Round(time.Millisecond))
	return err
}
