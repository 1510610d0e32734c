package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// A meter shows how far long work has come: a bar on a terminal, nothing
// elsewhere.
type meter struct{ bar *progressbar.ProgressBar }

// newMeter returns a meter for n things; -1 when nobody knows how many.
func newMeter(cmd *cobra.Command, n int, what string) meter {
	out := io.Discard
	if f, ok := cmd.ErrOrStderr().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		out = f
	}
	return meter{progressbar.NewOptions(n, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish())}
}

// at says that n things are done.
func (m meter) at(n int) { _ = m.bar.Set(n) }

func (m meter) end() { _ = m.bar.Finish() }
