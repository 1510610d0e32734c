// Command proof keeps docs/proof/mongodb.json: on which server the MongoDB
// store was last proven, and whether its sources are still those.
//
//	go test -json -count=1 ./gateway/store/mongostore | go run ./gateway/store/mongostore/proof -write -server NAME -version VERSION
//	go run ./gateway/store/mongostore/proof -check [-strict]
//
// -write refuses a run in which a test failed or the contract was skipped.
// -check prints a warning when the sources have changed since; with -strict it
// also exits with status 1.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A proof is the content of the file.
type proof struct {
	Server  string   `json:"server"`
	Version string   `json:"version"`
	Date    string   `json:"date"`
	Passed  []string `json:"passed"`
	// Skipped are tests that this server could not be given.
	Skipped []string `json:"skipped"`
	// SourcesHash is over the store's and the search compiler's sources.
	SourcesHash string `json:"sourcesHash"`
}

const file = "docs/proof/mongodb.json"

// sources are the files that a proof stands for, tests not among them.
var sources = [...]string{"gateway/store/*.go", "gateway/store/mongostore/*.go", "gateway/search/*.go"}

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("proof", flag.ContinueOnError)
	check := flags.Bool("check", false, "say on which server the store was proven, and warn when that is out of date")
	strict := flags.Bool("strict", false, "with -check: fail when it is out of date")
	write := flags.Bool("write", false, "write the proof from the output of go test -json on standard input")
	server := flags.String("server", "", "with -write: the server's name")
	version := flags.String("version", "", "with -write: the server's version")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := findRoot()
	if err != nil {
		return err
	}
	switch {
	case *write:
		return writeProof(root, in, proof{Server: *server, Version: *version})
	case *check:
		return checkProof(root, out, *strict)
	}
	return errors.New("expected -check or -write")
}

// findRoot returns the directory of go.mod, here or above.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod here or above")
		}
		dir = up
	}
}

// hashSources hashes the names and bytes of the sources, in order.
func hashSources(root string) (string, error) {
	h := sha256.New()
	for _, pattern := range sources {
		paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			return "", err
		}
		slices.Sort(paths)
		for _, p := range paths {
			if strings.HasSuffix(p, "_test.go") {
				continue
			}
			b, err := os.ReadFile(p) //nolint:gosec // a source file of the repository
			if err != nil {
				return "", err
			}
			rel, err := filepath.Rel(root, p)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(h, "%s %d\n", filepath.ToSlash(rel), len(b))
			h.Write(b)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func checkProof(root string, out io.Writer, strict bool) error {
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file))) //nolint:gosec // a file of the repository
	if err != nil {
		return err
	}
	var p proof
	if err := json.Unmarshal(b, &p); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	now, err := hashSources(root)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "mongostore was proven on %s %s on %s: %d tests passed, %d skipped\n", p.Server, p.Version, p.Date, len(p.Passed), len(p.Skipped))
	if now == p.SourcesHash {
		return nil
	}
	fmt.Fprintf(out, "\n*** WARNING: THE SOURCES OF THE MONGODB STORE HAVE CHANGED SINCE ***\n"+
		"*** Run its tests on a server (make test-mongo, or %s) ***\n*** and record the run with the proof command's -write.               ***\n\n", "TRELLIS_TEST_MONGODB")
	if strict {
		return errors.New("the proof is out of date")
	}
	return nil
}

func writeProof(root string, in io.Reader, p proof) error {
	if p.Server == "" || p.Version == "" {
		return errors.New("-write needs -server and -version")
	}
	if err := p.read(in); err != nil {
		return err
	}
	var err error
	if p.SourcesHash, err = hashSources(root); err != nil {
		return err
	}
	p.Date = time.Now().UTC().Format(time.DateOnly)
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, filepath.FromSlash(file)), append(b, '\n'), 0o644) //nolint:gosec // a file of the repository, for everyone to read
}

// contract is the test without which nothing is proven.
const contract = "TestContract"

// read collects the tests of a go test -json run, subtests of the contract
// down to their group.
func (p *proof) read(in io.Reader) error {
	var failed []string
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct{ Action, Test string }
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || strings.Count(e.Test, "/") > 1 {
			continue
		}
		name := e.Test
		if strings.Contains(name, "/seed=") {
			continue
		}
		switch {
		case e.Action == "fail":
			failed = append(failed, name)
		case e.Action == "pass" && name != "":
			p.Passed = append(p.Passed, name)
		case e.Action == "skip" && name != "":
			p.Skipped = append(p.Skipped, name)
		}
	}
	slices.Sort(p.Passed)
	slices.Sort(p.Skipped)
	switch {
	case lines.Err() != nil:
		return lines.Err()
	case len(failed) > 0:
		return fmt.Errorf("tests failed: %s", strings.Join(failed, " "))
	case !slices.Contains(p.Passed, contract):
		return errors.New("the contract was not run: nothing to record")
	}
	return nil
}
