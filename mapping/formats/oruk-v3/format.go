// Package oruk is the formats oruk-v3 and oruk-v1: services of Open Referral UK
// directories as JSON, each with its organisation, places, times and terms.
//
// It is more than a map because a directory must come back as it went in.
// Reading runs the map, writes the result back, and keeps what then differs
// from the document in one extension of the HealthcareService
// (ext-open-referral), so that ORUK to FHIR to ORUK gives an equal JSON value.
// Where the resource has since said something else, the resource wins. What
// FHIR has no element for is kept and reported, never flattened: only a
// schedule that a week of availableTime says in full becomes one.
package oruk

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"slices"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/codec"
	"trellis.example/mapping/codec/json"
)

// A Format reads and writes the services of one version of the standard. It is
// immutable and safe for concurrent use.
type Format struct {
	m      *mapping.Map
	words  dialect
	syntax syntax
}

var _ mapping.Format = (*Format)(nil)

// New compiles the map of the folder for a version of the standard, 3 or 1.
func New(version int, files fs.FS, lib mapping.Library) (*Format, error) {
	words := version3
	if version == 1 {
		words = version1
	}
	syn := syntax{Syntax: json.Syntax{}, words: words}
	lib.Codecs = maps.Clone(lib.Codecs)
	lib.Codecs["json"] = syn
	m, err := mapping.Compile(files, lib)
	if err != nil {
		return nil, err
	}
	return &Format{m: m, words: words, syntax: syn}, nil
}

// Map returns the compiled map.
func (f *Format) Map() *mapping.Map { return f.m }

// Info describes the format.
func (f *Format) Info() mapping.Info { return f.m.Info() }

// Read reads a service, or an array of them.
func (f *Format) Read(doc []byte) mapping.Result {
	res := mapping.Result{Map: f.m.Name()}
	res.Faults = f.ReadStream(bytes.NewReader(doc), func(r mapping.Record) bool {
		res.Records = append(res.Records, r)
		return true
	})
	return res
}

// ReadStream reads services one by one; see [Format.Read].
func (f *Format) ReadStream(r io.Reader, yield func(mapping.Record) bool) []fhir.Issue {
	b, err := io.ReadAll(io.LimitReader(r, json.MaxDocument+1))
	if err != nil {
		return []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Invalid, Text: "the document could not be read to its end"}}
	}
	values := originals(b)
	i := 0
	return f.syntax.Read(bytes.NewReader(b), codec.Shape{}, func(d *codec.Doc, faults []fhir.Issue) bool {
		var original any
		if i < len(values) {
			original = values[i]
		}
		i++
		return yield(f.record(d, faults, original))
	})
}

// originals decodes the document's records; those that cannot be decoded are
// faults of the syntax, which reads them too.
func originals(b []byte) []any {
	v, err := decode(b)
	if err != nil {
		return nil
	}
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

// maxResidue is how many bytes may be kept beside a service: a FHIR string holds
// 1 MB (R4, datatypes: string).
const maxResidue = 900_000

// record maps one service, twice: the second time with what the first could
// not say.
func (f *Format) record(d *codec.Doc, faults []fhir.Issue, original any) mapping.Record {
	if d == nil || fhir.Faults(faults) != nil {
		return mapping.Record{Row: rowOf(d), Faults: faults}
	}
	faults = append(faults, f.identified(d)...)
	rec := f.m.ReadDoc(d)
	if rec.Refused() || fhir.Faults(faults) != nil {
		rec.Bundle, rec.Places, rec.Faults = nil, nil, append(faults, rec.Faults...)
		return rec
	}
	back, _ := f.write(rec.Bundle)
	kept := residue{Format: f.Info().ID, Of: hashOf(back), Keep: difference(back, original)}.text()
	if !put(d, codec.Root, residueName, kept) || len(kept) > maxResidue {
		rec.Bundle, rec.Places = nil, nil
		rec.Faults = append(faults, fhir.Issue{Severity: fhir.SeverityError, Code: fhir.TooLong, Text: "the service says more beyond FHIR than can be kept beside it: at most 900 kB, and no member named x-trellis-residue"})
		return rec
	}
	rec = f.m.ReadDoc(d)
	rec.Faults = append(faults, rec.Faults...)
	for i := range rec.Losses {
		if rec.Losses[i].Rule == "residue" {
			rec.Losses[i].Text = "kept word for word in the extension ext-open-referral; FHIR R4 has no element for it"
		}
	}
	return rec
}

func rowOf(d *codec.Doc) int {
	if d == nil {
		return 0
	}
	return d.Row
}

// identified refuses a service without an id: there would be no telling it from
// others.
func (f *Format) identified(d *codec.Doc) []fhir.Issue {
	if id := d.Child(codec.Root, "id"); id != codec.None && d.First(id) == codec.None && d.Text(id) != "" {
		return nil
	}
	return []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.Required, Rule: "id", Expression: "HealthcareService.identifier.value",
		Source: f.syntax.Place(d, codec.Root, []codec.Step{{Name: "id"}}), Text: "expected a value: this field is required"}}
}

// Write writes a HealthcareService with what it refers to, in a Bundle, as a
// service of the directory.
func (f *Format) Write(resource []byte) mapping.Written {
	doc, w := f.Object(resource)
	if doc != nil {
		w.Document = string(encode(doc)) + "\n"
	}
	return w
}

// Object is [Format.Write] for whoever goes on working with the document, whose
// numbers are json.Number. It is nil when it cannot be written.
func (f *Format) Object(resource []byte) (map[string]any, mapping.Written) {
	doc, w := f.write(resource)
	if doc == nil {
		return nil, w
	}
	kept := readResidue(doc, f.Info().ID)
	changed := kept.Of != hashOf(doc)
	touched, stale := kept.apply(doc)
	if updated := serviceOf(resource).At("meta", "lastUpdated").Text(); changed && updated != "" && f.words.ages == "" {
		doc["last_modified"] = updated
	}
	w.Losses = slices.DeleteFunc(w.Losses, func(l mapping.Loss) bool { return l.Rule == "default" && touched[l.Source] })
	for i := range w.Losses {
		if w.Losses[i].Rule == "default" {
			w.Losses[i].Source = "HealthcareService"
		}
	}
	for range stale {
		w.Losses = append(w.Losses, mapping.Loss{Source: "HealthcareService.extension", Rule: "residue", Text: "the resource has changed at this place: what the directory said there before is left out"})
	}
	if kept.foreign {
		w.Losses = append(w.Losses, mapping.Loss{Source: "HealthcareService.extension", Rule: "residue", Text: "what another version of the standard said beyond FHIR is left out"})
	}
	w.Losses, w.Document = f.settled(w.Losses, doc), ""
	return doc, w
}

// write runs the map backwards and completes what the standard requires. The
// residue still stands in the document, under its own name. The document is nil
// when it cannot be written; the losses of rule "default" name the place in the
// document that was filled.
func (f *Format) write(resource []byte) (map[string]any, mapping.Written) {
	w := f.m.Write(resource)
	if fhir.Faults(w.Faults) != nil {
		return nil, w
	}
	v, err := decode([]byte(w.Document))
	doc, ok := v.(map[string]any)
	if err != nil || !ok {
		w.Faults = append(w.Faults, fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Exception, Text: "the document could not be completed"})
		return nil, w
	}
	c := completer{words: f.words, resource: serviceOf(resource)}
	c.service(doc)
	w.Losses = append(w.Losses, c.losses...)
	return doc, w
}

// serviceOf returns the HealthcareService of a Bundle, or the resource itself.
func serviceOf(b []byte) fhir.Value {
	t, err := fhir.Parse(b, len(b))
	if err != nil {
		return fhir.Value{}
	}
	for e := range t.Root().Get("entry").Items() {
		if r := e.Get("resource"); r.Get("resourceType").Text() == "HealthcareService" {
			return r
		}
	}
	return t.Root()
}

// settled leaves out the losses of words that reading makes anew from the
// document.
func (f *Format) settled(losses []mapping.Loss, doc map[string]any) []mapping.Loss {
	return slices.DeleteFunc(losses, func(l mapping.Loss) bool {
		return l.Rule == "ages-text" && (has(doc, "minimum_age") || has(doc, "maximum_age") || has(doc, "eligibilitys")) ||
			l.Rule == "times-text" && has(doc, f.words.schedules) || slices.Contains([]string{"access-described", "area-words", "for-whom"}, l.Rule)
	})
}

func has(doc map[string]any, name string) bool { _, ok := doc[name]; return ok }
