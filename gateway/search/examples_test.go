package search

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gofhir/fhirpath"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/store"
)

// examples returns the official R4 examples by type, at most n of each; 0 is
// all.
func examples(t *testing.T, n int) map[string][]fhir.Resource {
	t.Helper()
	dir := os.Getenv("TRELLIS_R4_EXAMPLES")
	if dir == "" {
		t.Skip("TRELLIS_R4_EXAMPLES is not set (make r4-examples): unproven is that the official examples are indexed as their expressions say")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) < 5000 {
		t.Fatalf("%d examples in %s: %v", len(files), dir, err)
	}
	out := map[string][]fhir.Resource{}
	for _, f := range files {
		typ, _, _ := strings.Cut(filepath.Base(f), "-")
		if n > 0 && len(out[typ]) >= n {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		res, err := fhir.Decode(b)
		if err != nil || !definitions.R4().IsResource(res.Type()) {
			continue // package.json, and what the strict decoder refuses
		}
		out[res.Type()] = append(out[res.Type()], res)
	}
	return out
}

func TestExamplesIndex(t *testing.T) {
	if testing.Short() {
		t.Skip("short: the 5,306 official examples are left to the full run")
	}
	r, n := NewSandboxRegistry(definitions.R4(), base), 0
	for typ, docs := range examples(t, 0) {
		for _, res := range docs {
			n++
			index := r.Index(res)
			checkIndex(t, typ, index)
			checkReferences(t, r.plan(typ), res, index)
		}
	}
	if n < 5000 {
		t.Errorf("only %d examples were indexed", n)
	}
}

// checkIndex checks what every store may rely on.
func checkIndex(t *testing.T, typ string, index []store.Index) {
	t.Helper()
	for i, ix := range index {
		long := len(ix.Value) > maxValue && !(ix.Silent && ix.Kind == store.Text && len(ix.Value) <= maxSilent)
		switch {
		case long || len(ix.System) > maxValue || ix.Low > ix.High && ix.Kind != store.Point:
			t.Errorf("%s: entry of %s is out of bounds", typ, ix.Param)
		case ix.Group != 0 && !ix.Silent:
			t.Errorf("%s: %s is in a group and leads", typ, ix.Param)
		case slices.Contains(index[:i], ix):
			t.Errorf("%s: %s has an entry twice", typ, ix.Param)
		}
	}
}

// checkReferences checks that by the leading entries everything is found that a
// document refers to.
func checkReferences(t *testing.T, pl *plan, res fhir.Resource, index []store.Index) {
	t.Helper()
	led := map[string]bool{}
	for _, ix := range index {
		led[ix.Value] = led[ix.Value] || ix.Kind == store.Reference && !ix.Silent
	}
	fhir.EachReference(res.Root(), func(v fhir.Value) {
		value, _ := splitReference(v.Text(), base+"/")
		if ref, ok := fhir.ParseReference(value); ok && ref.Kind == fhir.RefRelative && !pl.embeds && !led[value] {
			t.Errorf("%s/%s: nothing leads to what %s refers to", pl.typ, res.ID(), v.Path())
		}
	})
}

// disagreements are the parameters whose elements are not those that the
// FHIRPath library selects, with the reason.
var disagreements = map[string]string{
	"Patient.mothersMaidenName": "R4's expression names an extension that is published under another address",
	"CarePlan.activity-date":    "the expression selects strings, too; they are no dates",
	"Consent.source-reference":  "the expression selects attachments, too; they are no references",
}

// TestExamplesExtraction compares how many elements the walk finds for a
// parameter with how many its expression selects, by a FHIRPath engine written
// by others.
func TestExamplesExtraction(t *testing.T) {
	r := registry()
	compared, wrong := 0, map[string]string{}
	docs := examples(t, 15)
	for _, typ := range r.Types() {
		pl := r.plan(typ)
		for _, p := range pl.params {
			sp := definitions.R4().SearchParam(typ, p.Name)
			if sp == nil || p.Type == "composite" || strings.Contains(sp.Expression, "resolve()") {
				continue // the library cannot resolve; composites are compared by their parts
			}
			expr, err := fhirpath.Compile(ownAlternatives(typ, sp.Expression))
			if err != nil {
				wrong[typ+"."+p.Name] = "not compiled by the library"
				continue
			}
			for _, res := range docs[typ] {
				if len(res.JSON()) > 64<<10 {
					continue // the library takes long over the largest
				}
				want, err := expr.Evaluate(res.JSON())
				if err != nil {
					wrong[typ+"."+p.Name] = "not evaluated by the library"
					break
				}
				compared++
				if all, distinct := selected(pl, p, res); all != len(want) && distinct != len(want) {
					wrong[typ+"."+p.Name] = fmt.Sprintf("%s: %d elements, the library selects %d", res.ID(), all, len(want))
				}
			}
		}
	}
	for name, why := range wrong {
		if disagreements[name] == "" {
			t.Errorf("%s: %s", name, why)
		}
	}
	for name := range disagreements {
		if wrong[name] == "" {
			t.Errorf("%s is listed as a disagreement and is none", name)
		}
	}
	t.Logf("%d comparisons", compared)
	if compared < 5000 {
		t.Errorf("only %d comparisons", compared)
	}
}

func ownAlternatives(typ, expr string) string {
	var out []string
	for _, alt := range splitOutside(expr, '|') {
		first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(alt), "("), ".")
		if first == typ || first == "Resource" || first == "DomainResource" {
			out = append(out, strings.TrimSpace(alt))
		}
	}
	return strings.Join(out, " | ")
}

// selected counts the elements that the plan takes for a parameter, and the
// distinct ones: a union has each value once, a path has not.
func selected(pl *plan, p *Param, res fhir.Resource) (all, distinct int) {
	seen := map[string]bool{}
	note := func(v fhir.Value) {
		all++
		var decoded any
		if json.Unmarshal(v.Raw(), &decoded) == nil {
			b, err := json.Marshal(decoded)
			if err == nil {
				seen[string(b)] = true
			}
		}
	}
	pl.root.each(res.Root(), func(v fhir.Value, e end) {
		if e.param.stored == p.stored && e.param.kind == p.kind && (e.system == "" || v.Get("system").Text() == e.system) {
			note(v)
		}
	})
	for _, c := range pl.computed {
		if c.param.stored == p.stored {
			c.path.Eval(res.Root(), func(v fhir.Value, _ string) bool { note(v); return true })
		}
	}
	return all, len(seen)
}

// each visits the ends of a tree as the extractor does.
func (n *node) each(v fhir.Value, f func(fhir.Value, end)) {
	for m := range v.All() {
		c := n.children[m.Key()]
		if c == nil {
			continue
		}
		for item := range m.Items() {
			for _, e := range c.ends {
				f(item, e)
			}
			c.each(item, f)
		}
	}
}
