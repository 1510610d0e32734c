package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A verdict is why one side refuses a document; it is empty when the side
// accepts it.
type verdict []reason

// A reason is one error: a rule or message id, where, and what it says.
type reason struct{ id, place, text string }

func readOurs(name, root string) (map[string]verdict, error) {
	b, err := os.ReadFile(name) //nolint:gosec // the file that the user names
	if err != nil {
		return nil, err
	}
	var list []struct {
		File   string
		Faults []struct{ Severity, Expression, Rule, Text string }
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	out := make(map[string]verdict, len(list))
	for _, d := range list {
		v := verdict{}
		for _, f := range d.Faults {
			if f.Severity == "error" || f.Severity == "fatal" {
				v = append(v, reason{f.Rule, f.Expression, f.Text})
			}
		}
		rel, err := filepath.Rel(root, d.File)
		if err != nil {
			return nil, err
		}
		out[filepath.ToSlash(rel)] = v
	}
	return out, nil
}

func readTheirs(name string) (map[string]verdict, error) {
	f, err := os.Open(name) //nolint:gosec // the file that the user names
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	out := map[string]verdict{}
	for d := json.NewDecoder(bufio.NewReader(f)); ; {
		var line struct {
			File   string
			Errors []struct{ ID, Location, Text string }
		}
		if err := d.Decode(&line); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		v := verdict{}
		for _, e := range line.Errors {
			v = append(v, reason{e.ID, plainPath(e.Location), e.Text})
		}
		out[filepath.ToSlash(line.File)] = v
	}
}

var comments = regexp.MustCompile(`/\*.*?\*/|\.ofType\([A-Za-z]+\)|\[x\]`)

// plainPath takes the reference validator's remarks out of a path.
func plainPath(s string) string { return comments.ReplaceAllString(s, "") }

// sameElement reports whether one of the places is, or lies beside or within,
// one of the others: the two name a choice or a missing element differently.
func sameElement(a, b verdict) bool {
	for _, x := range a {
		for _, y := range b {
			if x.place == y.place || strings.HasPrefix(x.place, y.place+".") || strings.HasPrefix(y.place, x.place+".") || parent(x.place) == parent(y.place) {
				return true
			}
		}
	}
	return false
}

func parent(p string) string {
	if i := strings.LastIndexByte(p, '.'); i > 0 {
		return p[:i]
	}
	return p
}
