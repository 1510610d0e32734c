// Package page draws what a map makes of a partner's document as one HTML page
// for a browser: each value of the document beside the FHIR element it became,
// the rule and the table row that took it there, the losses and the faults.
//
// The page shows the document's values and is for the people who sent it. It
// loads nothing, runs no script, and every value is escaped; its own policy
// (CSP) forbids the rest.
package page

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"io"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

//go:embed page.html
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

// A Document is what the page shows.
type Document struct {
	Format mapping.Info
	// Text is the document as received.
	Text string
	// Faults are those of the document itself.
	Faults  []fhir.Issue
	Records []mapping.Explained
}

// Write draws the page.
func Write(w io.Writer, d Document) error {
	data := view{Format: d.Format, Text: d.Text, Faults: d.Faults, Records: make([]record, len(d.Records))}
	for i, r := range d.Records {
		data.Records[i] = arrange(i+1, r)
	}
	return page.Execute(w, data)
}

type view struct {
	Format  mapping.Info
	Text    string
	Faults  []fhir.Issue
	Records []record
}

// A record is one record of the document with its lines in the sender's order.
type record struct {
	Number  int
	Refused bool
	Lines   []line
	// Added are the elements that come from the map and not from the document.
	Added  []element
	Losses []mapping.Loss
	Faults []fhir.Issue
	Bundle string
}

// A line is one value of the document and what it became.
type line struct {
	mapping.Leaf
	Elements []element
	Losses   []mapping.Loss
	Faults   []fhir.Issue
}

type element struct {
	mapping.Explanation
	Value string
}

// arrange puts elements, losses and faults beside the values they speak of.
func arrange(n int, e mapping.Explained) record {
	r := record{Number: n, Refused: e.Refused(), Bundle: indent(e.Bundle)}
	at := map[string]int{}
	for i, leaf := range e.Leaves {
		r.Lines = append(r.Lines, line{Leaf: leaf})
		if _, twice := at[leaf.Source]; !twice {
			at[leaf.Source] = i
		}
	}
	value := values(e.Bundle)
	for _, x := range e.Elements {
		el := element{x, value(x.Expression)}
		if i, ok := at[x.Source]; ok {
			r.Lines[i].Elements = append(r.Lines[i].Elements, el)
		} else {
			r.Added = append(r.Added, el)
		}
	}
	for _, l := range e.Losses {
		if i, ok := at[l.Source]; ok {
			r.Lines[i].Losses = append(r.Lines[i].Losses, l)
		} else {
			r.Losses = append(r.Losses, l)
		}
	}
	for _, f := range e.Faults {
		if i, ok := at[f.Source]; ok {
			r.Lines[i].Faults = append(r.Lines[i].Faults, f)
		} else {
			r.Faults = append(r.Faults, f)
		}
	}
	return r
}

// values returns what looks up an element of the bundle by its path.
func values(bundle []byte) func(string) string {
	if bundle == nil {
		return func(string) string { return "" }
	}
	tree, err := fhir.Parse(bundle, len(bundle)+1)
	if err != nil {
		return func(string) string { return "" }
	}
	at := map[string]string{}
	var walk func(fhir.Value)
	walk = func(v fhir.Value) {
		switch v.Kind() {
		case fhir.Object, fhir.Array:
			for c := range v.All() {
				walk(c)
			}
			at[v.Path()] = short(string(v.Raw()))
		default:
			at[v.Path()] = v.Text()
		}
	}
	walk(tree.Root())
	return func(path string) string { return at[path] }
}

// short cuts a JSON object that stands for a value of its own, such as a
// Coding.
func short(s string) string {
	const most = 200
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

func indent(bundle []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, bundle, "", "  ") != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}
