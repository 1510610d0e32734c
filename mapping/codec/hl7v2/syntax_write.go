package hl7v2

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"trellis.example/mapping/codec"
)

// Blank returns an empty record to be filled for Write.
func (Syntax) Blank(codec.Shape) *codec.Doc {
	d := codec.NewDoc()
	d.Positional = true
	return d
}

// Write returns the message that holds the record: segments in the order of
// the abstract syntax of REF and RRI, with the standard separators, in UTF-8,
// as MSH-18 then says.
func (Syntax) Write(d *codec.Doc) ([]byte, error) {
	w := NewWriter(Standard(), UTF8)
	segs := children(d, codec.Root)
	slices.SortStableFunc(segs, func(a, b codec.ID) int { return cmp.Compare(rank(d.Name(a)), rank(d.Name(b))) })
	if len(segs) == 0 || d.Name(segs[0]) != "MSH" {
		w.Segment("MSH")
		w.Put(18, string(UTF8))
	}
	results := false
	for _, id := range segs {
		switch d.Name(id) {
		case "OBR", "OBX":
			results = true
		case "NTE":
			if results { // else the note would be read as one of the result before it
				w.Segment("PV1")
				w.Put(1, "1")
				w.Put(2, "N") // table 0004: not applicable
			}
			results = false
		default:
			results = false
		}
		writeSegment(w, d, id)
	}
	return w.Bytes(), nil
}

// rank orders segments as REF_I12 and RRI_I12 do; those that neither knows
// come last.
func rank(name string) int {
	const order = "MSH SFT MSA ERR RF1 AUT CTD PRD PID PD1 NK1 GT1 IN1 IN2 IN3 ACC DG1 DRG AL1 PR1 OBR OBX PV1 PV2 NTE"
	if i := strings.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}

func children(d *codec.Doc, id codec.ID) []codec.ID {
	var out []codec.ID
	for c := d.First(id); c != codec.None; c = d.Next(c) {
		out = append(out, c)
	}
	return out
}

// writeSegment writes a segment and the segments that belong to it.
func writeSegment(w *Writer, d *codec.Doc, id codec.ID) {
	if d.Name(id) == agreement {
		return
	}
	w.Segment(d.Name(id))
	var nested []codec.ID
	reps := map[string]int{}
	for _, f := range children(d, id) {
		n, err := strconv.Atoi(d.Name(f))
		if err != nil {
			nested = append(nested, f)
			continue
		}
		reps[d.Name(f)]++
		writeField(w, d, f, n, reps[d.Name(f)])
	}
	if d.Name(id) == "MSH" {
		w.Put(18, string(UTF8))
	}
	for _, s := range nested {
		writeSegment(w, d, s)
	}
}

func writeField(w *Writer, d *codec.Doc, id codec.ID, field, rep int) {
	w.Set(field, rep, 1, 1, d.Text(id))
	for _, c := range children(d, id) {
		comp, _ := strconv.Atoi(d.Name(c))
		w.Set(field, rep, comp, 1, d.Text(c))
		for _, s := range children(d, c) {
			sub, _ := strconv.Atoi(d.Name(s))
			w.Set(field, rep, comp, sub, d.Text(s))
		}
	}
}
