package profiles

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trellis.example/fhir"
)

var update = flag.Bool("update", false, "print the lines that the list of faulty examples should have")

// examples returns the files of the official R4 package, or skips.
func examples(tb testing.TB) (dir string, names []string) {
	tb.Helper()
	dir = os.Getenv("TRELLIS_R4_EXAMPLES")
	if dir == "" {
		dir = "../build/r4-examples/package"
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		tb.Skip("the official R4 examples are not here: set TRELLIS_R4_EXAMPLES or run make definitions")
	}
	for _, f := range files {
		if name := filepath.Base(f); name != "package.json" {
			names = append(names, name)
		}
	}
	return dir, names
}

// forEach runs f over the files on all processors.
func forEach(t *testing.T, f func(name string, body []byte)) {
	dir, names := examples(t)
	work := make(chan string)
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for name := range work {
				b, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Error(err)
					continue
				}
				f(name, b)
			}
		})
	}
	for _, name := range names {
		work <- name
	}
	close(work)
	wg.Wait()
}

// TestExamples validates every official example and checks that it survives
// being stored, byte for byte except id and meta. What is refused must be on the
// list, each with the rule and a reason checked by hand; at most 1 % may be.
func TestExamples(t *testing.T) {
	listed := faultList(t)
	v, err := New()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	found, total := map[string][]string{}, 0
	forEach(t, func(name string, body []byte) {
		rules := faultRules(t, v, name, body)
		mu.Lock()
		defer mu.Unlock()
		total++
		if len(rules) > 0 {
			found[name] = rules
		}
	})
	for name, rules := range found {
		if got := strings.Join(rules, ","); listed[name] != got {
			t.Errorf("%s: refused by %s, listed %q", name, got, listed[name])
		}
	}
	for name := range listed {
		if found[name] == nil {
			t.Errorf("%s is accepted now: take it off the list", name)
		}
	}
	if len(found)*100 > total {
		t.Errorf("%d of %d examples refused, at most 1 %% may be", len(found), total)
	}
	if total != 5306 {
		t.Errorf("%d examples, the package has 5306", total)
	}
}

// faultRules returns the rules of severity error that a document breaks, and
// checks that the document survives being stored.
func faultRules(t *testing.T, v *Validator, name string, body []byte) []string {
	r, err := fhir.DecodeLimit(body, 64<<20)
	if err != nil {
		return []string{"decode"}
	}
	survives(t, name, r)
	var rules []string
	for _, is := range v.Validate(r, Options{BaseOnly: true}) {
		if is.IsError() {
			if *update {
				fmt.Printf("%s\t%s\t%s\t%s\n", name, is.Rule, is.Expression, is.Text)
			}
			rules = append(rules, is.Rule)
		}
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}

// survives stamps a resource as the server does when it stores it, and checks
// that nothing but id and meta changed.
func survives(t *testing.T, name string, r fhir.Resource) {
	stamped, err := fhir.DecodeLimit(r.Stamp("trellis-1", 7, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), 64<<20)
	if err != nil {
		t.Errorf("%s: not readable after Stamp: %v", name, err)
		return
	}
	if stamped.ID() != "trellis-1" || stamped.VersionID() != "7" {
		t.Errorf("%s: id or version not set", name)
	}
	next := others(stamped.Root().First())
	for c := others(r.Root().First()); c.Exists(); c = others(c.Next()) {
		if next.Key() != c.Key() || !bytes.Equal(next.Raw(), c.Raw()) {
			t.Errorf("%s: %s changed by storing", name, c.Key())
		}
		next = others(next.Next())
	}
	if next.Exists() {
		t.Errorf("%s: %s came up by storing", name, next.Key())
	}
}

// others skips the members that the server writes.
func others(v fhir.Value) fhir.Value {
	for v.Key() == "id" || v.Key() == "meta" {
		v = v.Next()
	}
	return v
}

// faultList reads testdata/r4-examples-faults.txt: file, rules and reason,
// separated by tabs.
func faultList(t *testing.T) map[string]string {
	f, err := os.Open("testdata/r4-examples-faults.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	list := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan(); {
		if line := s.Text(); line != "" && line[0] != '#' {
			fields := strings.Split(line, "\t")
			if len(fields) != 3 || fields[2] == "" {
				t.Errorf("not file, rules and reason: %q", line)
				continue
			}
			list[fields[0]] = fields[1]
		}
	}
	return list
}
