package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// heading opens the section of the file of divergences that holds the table.
const heading = "## HL7's reference validator"

// An argument is a line of the table: which side refuses, for which reason, in
// which documents, and why Trellis is content with that.
type argument struct {
	side     string // "Trellis" or "reference"
	id       string // rule or message id, "*" for any
	text     *regexp.Regexp
	pattern  string // how the document's name begins, with "*" after it
	why      string
	settled  int // documents for which it was needed
	position int
}

// readArguments reads lines such as
//
//	| Trellis | `snomed` | mutation/* | why |
//	| reference | `XHTML_X` /entity/ | * | why |
func readArguments(name string) ([]*argument, error) {
	b, err := os.ReadFile(name) //nolint:gosec // the file that the user names
	if err != nil {
		return nil, err
	}
	_, section, ok := strings.Cut(string(b), heading+"\n")
	if !ok {
		return nil, fmt.Errorf("%s has no section %q", name, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var out []*argument
	for line := range strings.Lines(section) {
		cells := cellsOf(line)
		if len(cells) != 4 || !strings.Contains(cells[1], "`") {
			continue
		}
		a, err := newArgument(cells)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		a.position = len(out) + 1
		out = append(out, a)
	}
	return out, nil
}

func newArgument(cells []string) (*argument, error) {
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	a := &argument{side: cells[0], pattern: cells[2], why: cells[3]}
	if a.side != "Trellis" && a.side != "reference" || a.why == "" {
		return nil, fmt.Errorf("a line of the table begins with %q: expected Trellis or reference, and an argument at the end", a.side)
	}
	_, rest, _ := strings.Cut(cells[1], "`")
	id, rest, _ := strings.Cut(rest, "`")
	a.id = id
	if expr := strings.Trim(strings.TrimSpace(rest), "/"); expr != "" {
		var err error
		if a.text, err = regexp.Compile(expr); err != nil {
			return nil, err
		}
	}
	if strings.IndexByte(a.pattern, '*') != len(a.pattern)-1 {
		return nil, fmt.Errorf("documents are named by how they begin and a *, not by %q", a.pattern)
	}
	return a, nil
}

// cellsOf splits a row of a Markdown table; \| stands for the sign itself.
func cellsOf(line string) []string {
	const mark = "\x00"
	line = strings.ReplaceAll(strings.TrimSpace(line), `\|`, mark)
	cells := strings.Split(strings.Trim(line, "|"), "|")
	for i := range cells {
		cells[i] = strings.ReplaceAll(cells[i], mark, "|")
	}
	return cells
}

func (a *argument) covers(side, file string, r reason) bool {
	if a.side != side || a.id != "*" && a.id != r.id || a.text != nil && !a.text.MatchString(r.text) {
		return false
	}
	return strings.HasPrefix(file, strings.TrimSuffix(a.pattern, "*"))
}

// settle reports whether every reason has an argument.
func settle(table []*argument, side, file string, v verdict) bool {
	var used []*argument
	for _, r := range v {
		i := 0
		for i < len(table) && !table[i].covers(side, file, r) {
			i++
		}
		if i == len(table) {
			return false
		}
		used = append(used, table[i])
	}
	seen := map[*argument]bool{}
	for _, a := range used {
		if !seen[a] {
			a.settled++
			seen[a] = true
		}
	}
	return true
}
