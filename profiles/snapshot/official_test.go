package snapshot

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// officialDir is the official R4 package, or "".
func officialDir() string {
	dir := cmp.Or(os.Getenv("TRELLIS_R4_EXAMPLES"), "../../build/r4-examples/package")
	if _, err := os.Stat(filepath.Join(dir, "StructureDefinition-vitalsigns.json")); err != nil {
		return ""
	}
	return dir
}

// official reads R4's own profiles and extensions.
func official(t testing.TB) []fhir.Resource {
	t.Helper()
	dir := officialDir()
	if dir == "" {
		t.Skip("the official R4 package is not here (TRELLIS_R4_EXAMPLES, or build/r4-examples/package)")
	}
	files, err := filepath.Glob(filepath.Join(dir, "StructureDefinition-*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	var out []fhir.Resource
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		r, err := fhir.Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if r.Root().Get("derivation").Text() == "constraint" && r.Type() == "StructureDefinition" {
			out = append(out, r)
		}
	}
	return out
}

// without drops a member of a resource.
func without(t testing.TB, r fhir.Resource, member string) fhir.Resource {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(r.JSON(), &m); err != nil {
		t.Fatal(err)
	}
	delete(m, member)
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	out, err := fhir.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestOfficial generates the snapshot of every profile and extension of R4 from
// its differential and compares it with the one that HL7 publishes. Differences
// are counted by class in testdata/official.txt, which explains each.
func TestOfficial(t *testing.T) {
	list := official(t)
	bare := make([]fhir.Resource, len(list))
	for i, r := range list {
		bare[i] = without(t, r, "snapshot")
	}
	lib, err := NewLibrary(definitions.R4(), bare)
	if err != nil {
		t.Fatal(err)
	}
	c := comparison{classes: map[string][]string{}}
	made, err := lib.All()
	if err != nil {
		for _, is := range fhir.AsError(err).Issues {
			name, _, _ := strings.Cut(strings.TrimPrefix(is.Profile, core), "#")
			name, _, _ = strings.Cut(name, "|")
			c.note("refused: "+name, is.Profile+" "+is.Text)
		}
	}
	byURL := map[string]*Structure{}
	for _, s := range made {
		byURL[s.URL] = s
	}
	for _, r := range list {
		url := r.Root().Get("url").Text()
		if snap := r.Root().At("snapshot", "element"); byURL[url] != nil && snap.Exists() {
			c.structure(byURL[url], snap)
		}
	}
	t.Logf("definitions %d of %d, elements %d, the same %d", c.structures, len(list), c.elements, c.same)
	c.judge(t)
}

const officialFile = "testdata/official.txt"

// judge compares the counts with those that the file explains.
func (c *comparison) judge(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(officialFile)
	if err != nil {
		t.Fatal(err)
	}
	out := strings.Builder{}
	known := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		if len(f) != 3 || strings.HasPrefix(line, "#") {
			out.WriteString(line)
			continue
		}
		known[f[1]] = true
		if got := fmt.Sprint(len(c.classes[f[1]])); got != f[0] {
			t.Errorf("%s: %s differences, %s are explained: %v", f[1], got, f[0], firstFew(c.classes[f[1]]))
			f[0] = got
		}
		out.WriteString(strings.Join(f, "\t") + "\n")
	}
	for _, class := range slices.Sorted(maps.Keys(c.classes)) {
		if !known[class] {
			t.Errorf("%s: %d differences are not explained: %v", class, len(c.classes[class]), firstFew(c.classes[class]))
			fmt.Fprintf(&out, "%d\t%s\t?\n", len(c.classes[class]), class)
		}
	}
	if *update {
		if err := os.WriteFile(officialFile, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func firstFew(list []string) []string { return list[:min(len(list), 5)] }

type comparison struct {
	classes                    map[string][]string
	structures, elements, same int
}

func (c *comparison) note(class, where string) { c.classes[class] = append(c.classes[class], where) }

func (c *comparison) structure(s *Structure, snap fhir.Value) {
	c.structures++
	ours := map[string]*Element{}
	for i := range s.Elements {
		ours[s.Elements[i].ID] = &s.Elements[i]
	}
	var order []string
	for e := range snap.Items() {
		id := e.Get("id").Text()
		order = append(order, id)
		c.elements++
		o := ours[id]
		if o == nil {
			c.note("element: not in ours", s.URL+"#"+id)
			continue
		}
		if c.element(s, o, e) {
			c.same++
		}
		delete(ours, id)
	}
	for id := range ours {
		c.note("element: only in ours", s.URL+"#"+id)
	}
	var mine []string
	for i := range s.Elements {
		if slices.Contains(order, s.Elements[i].ID) {
			mine = append(mine, s.Elements[i].ID)
		}
	}
	order = slices.DeleteFunc(order, func(id string) bool { return !slices.Contains(mine, id) })
	if !slices.Equal(order, mine) {
		c.note("order", s.URL)
	}
}

func (c *comparison) element(s *Structure, o *Element, e fhir.Value) bool {
	same := true
	diff := func(class, ours, theirs string) {
		if ours != theirs {
			same = false
			c.note(class, s.URL+"#"+o.ID+": ours "+ours+", theirs "+theirs)
		}
	}
	diff("path", o.Path, e.Get("path").Text())
	diff("sliceName", o.SliceName, e.Get("sliceName").Text())
	diff("min", fmt.Sprint(o.Min), e.Get("min").Text())
	diff("max", maxText(o.Max), e.Get("max").Text())
	diff("types", typesText(o.Types), typesOf(e, o))
	diff("contentReference", o.ContentRef, e.Get("contentReference").Text())
	diff("mustSupport", fmt.Sprint(o.MustSupport), fmt.Sprint(e.Get("mustSupport").Text() == "true"))
	diff("isModifier", fmt.Sprint(o.IsModifier), fmt.Sprint(e.Get("isModifier").Text() == "true"))
	diff("fixed", string(o.Fixed.Raw()), string(suffixed(e, "fixed").Raw()))
	diff("pattern", string(o.Pattern.Raw()), string(suffixed(e, "pattern").Raw()))
	if theirs := bindingOfJSON(e.Get("binding")); o.Binding == nil && strings.HasPrefix(theirs, "example") {
		diff("binding: example", "", theirs)
	} else {
		diff("binding", bindingText(o.Binding), theirs)
	}
	if theirs := slicingOf(e.Get("slicing")); o.Slicing == nil && strings.HasSuffix(o.ID, "xtension") {
		diff("slicing: extension", "", theirs)
	} else {
		diff("slicing", slicingText(o.Slicing), theirs)
	}
	var keys []string
	for k := range e.Get("constraint").Items() {
		keys = append(keys, k.Get("key").Text())
	}
	var mine []string
	for _, k := range o.Constraints {
		mine = append(mine, k.Key)
	}
	slices.Sort(keys)
	slices.Sort(mine)
	diff("constraints", strings.Join(mine, " "), strings.Join(keys, " "))
	return same
}

func suffixed(e fhir.Value, prefix string) fhir.Value {
	for m := range e.All() {
		if strings.HasPrefix(m.Key(), prefix) {
			return m
		}
	}
	return fhir.Value{}
}

func typesText(list []Type) string {
	var out []string
	for _, t := range list {
		slices.Sort(t.Profiles)
		slices.Sort(t.TargetProfiles)
		out = append(out, t.Code+"<"+strings.Join(t.Profiles, ",")+">"+strings.Join(t.TargetProfiles, ","))
	}
	slices.Sort(out)
	return strings.ReplaceAll(strings.Join(out, "|"), core, "")
}

func typesOf(e fhir.Value, o *Element) string {
	var out []Type
	for t := range e.Get("type").Items() {
		out = append(out, readType(t, &node{el: *o}))
	}
	return typesText(out)
}

func bindingText(b *Binding) string {
	if b == nil {
		return ""
	}
	set, _, _ := strings.Cut(b.ValueSet, "|")
	return b.Strength + " " + set + " " + b.Max
}

func bindingOfJSON(v fhir.Value) string {
	if !v.Exists() {
		return ""
	}
	b := Binding{Strength: v.Get("strength").Text(), ValueSet: v.Get("valueSet").Text()}
	for x := range v.Get("extension").Items() {
		if x.Get("url").Text() == maxValueSet {
			b.Max = x.Get("valueCanonical").Text()
		}
	}
	return bindingText(&b)
}

func slicingText(s *Slicing) string {
	if s == nil {
		return ""
	}
	return fmt.Sprint(s.Discriminators, s.Ordered, s.Rules)
}

func slicingOf(v fhir.Value) string {
	if !v.Exists() {
		return ""
	}
	s := Slicing{Ordered: v.Get("ordered").Text() == "true", Rules: v.Get("rules").Text()}
	for d := range v.Get("discriminator").Items() {
		s.Discriminators = append(s.Discriminators, Discriminator{d.Get("type").Text(), d.Get("path").Text()})
	}
	return slicingText(&s)
}
