package page_test

import (
	"bytes"
	"flag"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles"
	"trellis.example/profiles/page"
	"trellis.example/profiles/snapshot"
)

var update = flag.Bool("update", false, "rewrite docs/profiles")

const docs = "../../docs/profiles"

// structures makes the snapshots of all our definitions, older versions first.
func structures(t testing.TB) []*snapshot.Structure {
	t.Helper()
	lib, err := snapshot.NewLibrary(definitions.R4(), resources(t, "../data", "StructureDefinition-"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := lib.All()
	if err != nil {
		t.Error(err)
	}
	return list
}

// resources reads the files below a folder whose names begin so.
func resources(t testing.TB, dir, prefix string) []fhir.Resource {
	t.Helper()
	var out []fhir.Resource
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(d.Name(), prefix) || !strings.HasSuffix(path, ".json") || filepath.Dir(path) == "../data" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		r, err := fhir.Decode(b)
		out = append(out, r)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// examples are the documents of profiles/examples, in a folder for each profile:
// those that follow it, then the folder, where the others are.
func examples(t testing.TB) map[string][]page.Link {
	t.Helper()
	out := map[string][]page.Link{}
	names, err := filepath.Glob("../examples/*/valid-*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no examples (err %v)", err)
	}
	for _, name := range names {
		dir, base := filepath.Base(filepath.Dir(name)), filepath.Base(name)
		title := strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(base, "valid-"), ".json"), "-", " ")
		url := profiles.Base + dir
		out[url] = append(out[url], page.Link{Title: title, Address: "../../profiles/examples/" + dir + "/" + base})
	}
	for url := range out {
		dir := strings.TrimPrefix(url, profiles.Base)
		out[url] = append(out[url], page.Link{Title: "all, with those that break a rule each", Address: "../../profiles/examples/" + dir})
	}
	return out
}

// site makes the site of docs/profiles.
func site(t *testing.T) *page.Site {
	t.Helper()
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	return page.New(structures(t), examples(t), page.Listed(v.Terminology()))
}

// TestDocs keeps docs/profiles in step with the definitions.
func TestDocs(t *testing.T) {
	files := site(t).Files()
	if *update {
		write(t, files)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(docs, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the definitions make (err %v); run go test ./profiles/page -run TestDocs -update", name, err)
		}
	}
	there, err := filepath.Glob(filepath.Join(docs, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range there {
		if _, ok := files[filepath.Base(f)]; !ok {
			t.Errorf("%s describes nothing", f)
		}
	}
}

func write(t *testing.T, files map[string][]byte) {
	t.Helper()
	if err := os.MkdirAll(docs, 0o755); err != nil {
		t.Fatal(err)
	}
	old, err := filepath.Glob(filepath.Join(docs, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(docs, name), files[name], 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var codeSpan = regexp.MustCompile("`[^`]*`")

// TestLinks follows the links between the pages and to examples.
func TestLinks(t *testing.T) {
	files := site(t).Files()
	for name, b := range files {
		for _, part := range strings.Split(codeSpan.ReplaceAllString(string(b), ""), "](")[1:] {
			to, _, _ := strings.Cut(part, ")")
			switch {
			case strings.HasPrefix(to, "http"):
			case strings.HasPrefix(to, "../../"):
				if _, err := os.Stat(filepath.Join("../..", strings.TrimPrefix(to, "../../"))); err != nil {
					t.Errorf("%s: no file %s", name, to)
				}
			default:
				if _, ok := files[to]; !ok {
					t.Errorf("%s: no page %s", name, to)
				}
			}
		}
	}
}

// TestPublishedIsValid judges every definition of ours, as it is served, by base
// R4: the invariants sdf-* and eld-* hold and the narrative is safe.
func TestPublishedIsValid(t *testing.T) {
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	list := structures(t)
	pages, size := page.New(list, nil, page.Listed(v.Terminology())), 0
	for _, st := range list {
		b, err := pages.Publish(st)
		if err != nil {
			t.Errorf("%s: %v", st.Canonical(), err)
			continue
		}
		size += len(b)
		r, err := fhir.Decode(b)
		if err != nil {
			t.Errorf("%s: %v", st.Canonical(), err)
			continue
		}
		for _, is := range v.Validate(r, profiles.Options{BaseOnly: true}) {
			if is.IsError() {
				t.Errorf("%s: %s: %s (%s)", st.Canonical(), is.Expression, is.Text, is.Rule)
			}
		}
	}
	t.Logf("%d definitions, %d bytes", len(list), size)
}

// FuzzNarrative makes the page of a definition whose author wrote anything: the
// narrative is safe all the same.
func FuzzNarrative(f *testing.F) {
	v, err := profiles.New()
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"<script>x</script>", "# a\n\n* b\n  c\n\n1. d", "[a](javascript:x) [b](https://c.example/?d=1)", "| a | b |\n|---|---|\n| `x|y` | **z** |",
		"`unclosed *and **so \\", "&#x3c;b&#62;", "\x00\x1f", "**[a](b)**", "# ", "||", "- ", "]("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted := fhir.AppendString(nil, text)
		doc := `{"resourceType":"StructureDefinition","url":"https://a.example/x","version":` + string(quoted) + `,"name":"X","title":` + string(quoted) +
			`,"status":"active","kind":"resource","abstract":false,"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint",` +
			`"description":` + string(quoted) + `,"purpose":` + string(quoted) + `,"differential":{"element":[{"id":"Patient","path":"Patient","constraint":[{"key":"k","severity":"error","human":` +
			string(quoted) + `,"expression":` + string(quoted) + `}]},{"id":"Patient.gender","path":"Patient.gender","short":` + string(quoted) + `,"fixedCode":` + string(quoted) + `}]}}`
		r, err := fhir.Decode([]byte(doc))
		if err != nil {
			return // not UTF-8
		}
		st, err := snapshot.Generate(definitions.R4(), nil, r)
		if err != nil {
			return
		}
		narrative := page.New([]*snapshot.Structure{st}, nil, nil).Narrative(st)
		patient := append(fhir.AppendString([]byte(`{"resourceType":"Patient","text":{"status":"generated","div":`), narrative), `}}`...)
		p, err := fhir.Decode(patient)
		if err != nil {
			t.Fatal(err)
		}
		for _, is := range v.Validate(p, profiles.Options{BaseOnly: true}) {
			if is.IsError() {
				t.Errorf("%s: %s\n%s", is.Rule, is.Text, narrative)
			}
		}
	})
}
