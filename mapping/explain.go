package mapping

import (
	"bytes"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// An Explanation tells where one element of the bundle came from.
type Explanation struct {
	// Expression is the FHIRPath in the Bundle.
	Expression string `json:"expression"`
	// Rule is the id of the rule that wrote it.
	Rule string `json:"rule"`
	// Source is the place in the sender's document; "" for a constant.
	Source string `json:"source,omitempty"`
	// Type is the rule's type, or "constant" or "reference".
	Type string `json:"type"`
	// Table and Row name the table and its row, counted from 1.
	Table string `json:"table,omitempty"`
	Row   int    `json:"row,omitempty"`
	// Note is the map's own reason.
	Note string `json:"note,omitempty"`
}

// Explained is a record with the explanations of all its elements.
type Explained struct {
	Record
	Elements []Explanation
	// Leaves are the values of the sender's document: personal data, for a page
	// that the sender's own people look at.
	Leaves []Leaf
}

// Explain reads a document as [Map.Read] does and tells, for every element of
// the bundles, which rule, place and table row made it.
func (m *Map) Explain(doc []byte) ([]Explained, []fhir.Issue) {
	x := &run{m: m, trace: true}
	var out []Explained
	faults := m.syntax.Read(bytes.NewReader(doc), m.shape, func(d *codec.Doc, faults []fhir.Issue) bool {
		out = append(out, x.explain(d, faults))
		return true
	})
	return out, faults
}

// ExplainDoc is [Map.Explain] for a record that the caller's codec has read.
func (m *Map) ExplainDoc(d *codec.Doc) Explained {
	x := &run{m: m, trace: true}
	return x.explain(d, nil)
}

func (x *run) explain(d *codec.Doc, faults []fhir.Issue) Explained {
	x.places = x.places[:0]
	e := Explained{Record: x.record(d, faults)}
	if d == nil || fhir.Faults(faults) != nil {
		return e // nothing was mapped
	}
	e.Leaves = x.leaves()
	for _, p := range x.places {
		s := p.rule.spec
		ex := Explanation{Expression: string(x.texts[p.start:p.end]), Rule: s.ID, Type: s.Type, Note: s.Note}
		switch {
		case p.rule.isConst:
			ex.Type = "constant"
		case ex.Type == "":
			ex.Type = "text"
		}
		if p.node != codec.None {
			ex.Source = x.m.syntax.Place(x.d, p.node, nil)
		}
		if p.rule.table != nil {
			ex.Table = p.rule.table.spec.ID + " " + p.rule.table.spec.Version
			ex.Row = x.tableRow(p)
		}
		e.Elements = append(e.Elements, ex)
	}
	return e
}

// tableRow is the 1-based row of the table that a value used.
func (x *run) tableRow(p placed) int {
	text := x.frames[p.frame].text
	if !x.frames[p.frame].split {
		if p.node == codec.None {
			return 0
		}
		text = strings.TrimSpace(x.d.Text(p.node))
	}
	row, _ := p.rule.table.find(text)
	for i := range p.rule.table.spec.Rows {
		if row == &p.rule.table.spec.Rows[i] {
			return i + 1
		}
	}
	return 0
}
