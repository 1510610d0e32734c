// Command trellis is the gateway and its tools: it serves, registers clients,
// validates documents, tries maps, and measures itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set by the linker for releases.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// exit codes: 0 done, 1 faults found in what was examined, 2 could not run.
const (
	exitFaults = 1
	exitFailed = 2
)

// errFaults ends a command that ran well and found faults.
var errFaults = errors.New("faults found")

// run runs one command and returns the exit code. Tests call it too.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFaults):
		return exitFaults
	}
	fmt.Fprintln(stderr, "trellis:", err)
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "trellis",
		Short: "Open FHIR R4 gateway for social prescribing",
		Long: `Trellis takes referrals to community support in whatever format their sender
has, maps them to FHIR R4 without silent loss, validates, stores and audits them.

  trellis demo                 try it: starts, sends one referral per format, serves
  trellis serve                run the gateway
  trellis client add ID …      register a system that may send or read`,
		Version: version, SilenceUsage: true, SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newServe(), newDemo(), newClient(), newKey(), newValidate(), newMap(), newBench(),
		newBackup(), newRestore(), newVerify(), newMigrate(), newReindex(), newCopy(), newImport(), newDirectory())
	return root
}
