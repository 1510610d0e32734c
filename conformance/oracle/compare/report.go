package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// A report counts, for each group of documents (the first folder of their
// names), how the two sides judged them.
type report struct {
	groups map[string]*counts
	table  []*argument
	open   []disagreement // without an argument
}

type counts struct{ documents, accepted, refused, samePlace, onlyOurs, onlyTheirs, open int }

type disagreement struct {
	file, side string
	verdict    verdict
}

func compare(ours, theirs map[string]verdict, table []*argument) (*report, error) {
	r := &report{groups: map[string]*counts{}, table: table}
	for _, file := range slices.Sorted(maps.Keys(ours)) {
		a := ours[file]
		b, ok := theirs[file]
		if !ok {
			return nil, fmt.Errorf("the reference validator has no verdict on %s", file)
		}
		r.add(file, a, b)
	}
	if len(ours) == 0 || len(ours) != len(theirs) {
		return nil, fmt.Errorf("%d documents judged by Trellis, %d by the reference validator", len(ours), len(theirs))
	}
	return r, nil
}

func (r *report) add(file string, a, b verdict) {
	group, _, _ := strings.Cut(file, "/")
	c := r.groups[group]
	if c == nil {
		c = &counts{}
		r.groups[group] = c
	}
	c.documents++
	d := disagreement{file: file}
	switch {
	case len(a) == 0 && len(b) == 0:
		c.accepted++
		return
	case len(a) > 0 && len(b) > 0:
		c.refused++
		if sameElement(a, b) {
			c.samePlace++
		}
		return
	case len(a) > 0:
		c.onlyOurs++
		d.side, d.verdict = "Trellis", a
	default:
		c.onlyTheirs++
		d.side, d.verdict = "reference", b
	}
	if !settle(r.table, d.side, file, d.verdict) {
		c.open++
		r.open = append(r.open, d)
	}
}

func (r *report) print(out io.Writer, show int) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "group\tdocuments\tboth accept\tboth refuse\tat the same place\tonly Trellis refuses\tonly the reference refuses\twithout argument\t")
	for _, g := range slices.Sorted(maps.Keys(r.groups)) {
		c := r.groups[g]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", g, c.documents, c.accepted, c.refused, c.samePlace, c.onlyOurs, c.onlyTheirs, c.open)
	}
	_ = w.Flush()
	fmt.Fprintln(out)
	for _, a := range r.table {
		fmt.Fprintf(out, "%5d documents settled by: %s `%s` %s\n", a.settled, a.side, a.id, a.pattern)
	}
	for i, d := range r.open {
		if i == show {
			fmt.Fprintf(out, "… and %d more\n", len(r.open)-show)
			break
		}
		fmt.Fprintf(out, "\n%s: only %s refuses\n", d.file, d.side)
		for _, x := range d.verdict {
			fmt.Fprintf(out, "  %s at %s: %.160s\n", x.id, x.place, x.text)
		}
	}
}
