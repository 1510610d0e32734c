package published

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore"
	"trellis.example/profiles"
)

const base = "https://gw.example/fhir"

func catalogue(t *testing.T) (*Catalogue, *profiles.Validator) {
	t.Helper()
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	return New(definitions.R4(), search.NewRegistry(definitions.R4(), base), v, base), v
}

// TestValid: what we publish passes our own validator, and each type has some.
func TestValid(t *testing.T) {
	c, v := catalogue(t)
	for typ := range c.types {
		ids := map[string]bool{}
		for _, it := range c.of(typ) {
			res, err := fhir.Decode(it.Body)
			if err != nil {
				t.Fatalf("%s: %v", it.Key, err)
			}
			if ids[it.Key.ID] || !fhir.IsID(it.Key.ID) {
				t.Errorf("%s: the id is not an id or is there twice", it.Key)
			}
			ids[it.Key.ID] = true
			if err := fhir.Faults(v.Validate(res, profiles.Options{})); err != nil {
				t.Errorf("%s: %v", it.Key, err)
			}
		}
		if len(ids) == 0 {
			t.Errorf("no %s is published", typ)
		}
	}
}

// TestHeld: a type that is published is held, so that every role that may read
// it is answered.
func TestHeld(t *testing.T) {
	c, _ := catalogue(t)
	for typ := range c.types {
		if !c.registry.Held(typ) {
			t.Errorf("%s is published and not held", typ)
		}
	}
}

// TestEveryParameterIsPublished: the definition that is declared for each search
// parameter can be read when it is ours, and found by its URL.
func TestEveryParameterIsPublished(t *testing.T) {
	c, _ := catalogue(t)
	urls := map[string]bool{}
	for _, it := range c.of("SearchParameter") {
		res, err := fhir.Decode(it.Body)
		if err != nil {
			t.Fatal(err)
		}
		urls[res.Root().Get("url").Text()] = true
		if own, ok := strings.CutPrefix(res.Root().Get("url").Text(), base+"/SearchParameter/"); ok && own != it.Key.ID {
			t.Errorf("%s is published as %s", own, it.Key.ID)
		}
	}
	for _, h := range search.HeldTypes() {
		for _, p := range c.registry.Params(h.Type) {
			if !urls[p.URL] {
				t.Errorf("%s of %s is not published", p.Name, h.Type)
			}
		}
	}
}

// TestDefinitions: each definition that documents are judged by is found by its
// url and version, profiles with snapshot and narrative.
func TestDefinitions(t *testing.T) {
	c, v := catalogue(t)
	s := stored(t, c)
	list := slices.Concat(v.Terminology().Resources(), v.Questionnaires())
	for _, st := range v.Structures() {
		list = append(list, st.Source)
	}
	if len(list) < 150 {
		t.Errorf("only %d definitions", len(list))
	}
	for _, want := range list {
		address, version := want.Root().Get("url").Text(), want.Root().Get("version").Text()
		got := search1(t, c, s, want.Type(), address, version)
		if len(got) != 1 || got[0].Key.ID != want.ID() {
			t.Errorf("%s %s|%s: found %d", want.Type(), address, version, len(got))
			continue
		}
		res, err := fhir.Decode(got[0].Body)
		if err != nil {
			t.Fatal(err)
		}
		if want.Type() == "StructureDefinition" && (res.Root().At("snapshot", "element").Len() == 0 || !res.Root().At("text", "div").Exists()) {
			t.Errorf("%s has no snapshot or no narrative", address)
		}
	}
}

// TestVersionsSideBySide: a profile is found in all its versions, and in one.
func TestVersionsSideBySide(t *testing.T) {
	c, _ := catalogue(t)
	s := stored(t, c)
	const address = profiles.Base + "ServiceRequest"
	if all := search1(t, c, s, "StructureDefinition", address, ""); len(all) != 2 {
		t.Errorf("%d versions, want 2", len(all))
	}
	for _, version := range []string{"1.0.0", "1.1.0"} {
		if one := search1(t, c, s, "StructureDefinition", address, version); len(one) != 1 {
			t.Errorf("version %s: %d, want 1", version, len(one))
		}
	}
	if none := search1(t, c, s, "StructureDefinition", address, "9"); len(none) != 0 {
		t.Errorf("version 9: %d, want none", len(none))
	}
}

// search1 asks, as a client does, for a url and, unless it is "", a version.
func search1(t *testing.T, c *Catalogue, s store.Store, typ, address, version string) []store.Version {
	t.Helper()
	params := url.Values{"url": {address}}
	if version != "" {
		params.Set("version", version)
	}
	q, err := c.registry.Parse([]string{typ}, params, false)
	if err != nil {
		t.Fatal(err)
	}
	sq, err := c.registry.Resolve(t.Context(), s, auth.NewView([]string{"org|A"}, []string{"*"}, nil), q, 0)
	if err != nil {
		t.Fatal(err)
	}
	sq.Limit = 10
	p, err := s.Search(t.Context(), sq)
	if err != nil {
		t.Fatal(err)
	}
	return p.Versions
}

// BenchmarkFirst makes the definitions of profiles, as the first request for
// them does.
func BenchmarkFirst(b *testing.B) {
	v, err := profiles.New()
	if err != nil {
		b.Fatal(err)
	}
	reg := search.NewRegistry(definitions.R4(), base)
	size := 0
	for b.Loop() {
		size = 0
		for _, it := range New(definitions.R4(), reg, v, base).of("StructureDefinition") {
			size += len(it.Body)
		}
	}
	b.ReportMetric(float64(size), "bytes")
}

func stored(t *testing.T, c *Catalogue) store.Store {
	t.Helper()
	s, err := sqlitestore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for i := range 7 {
		res, err := fhir.Decode(fmt.Appendf(nil, `{"resourceType":"ValueSet","url":"http://x.example/%d","name":"N%d","status":"active"}`, i, 9-i))
		if err != nil {
			t.Fatal(err)
		}
		k := store.Key{Type: "ValueSet", ID: fmt.Sprint("own", i)}
		_, err = s.Commit(t.Context(), store.Commit{Writes: []store.Write{{
			View: auth.SystemView(), Key: k, Body: res.Stamp(k.ID, 1, time.Now()), Updated: time.Now(),
			Index: c.registry.Index(res), Access: auth.NewAccess("org|A", auth.PartyPublic),
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return c.Over(s)
}

// TestPages walks over stored and published resources together: each once, in
// one order, whatever the page's size and the sort.
func TestPages(t *testing.T) {
	c, _ := catalogue(t)
	s := stored(t, c)
	v := auth.NewView([]string{"org|B"}, []string{"ValueSet"}, nil)
	sorts := [][]store.Order{nil, {{Param: "name", Kind: store.Text}}, {{Param: "name", Kind: store.Text, Descending: true}}, {{Param: "_id", Kind: store.Token}}}
	for _, sort := range sorts {
		var want []string
		for _, limit := range []int{1000, 50, 7, 3} {
			q := store.Query{View: v, Type: "ValueSet", Sort: sort, Limit: limit, Total: true}
			got, total := walk(t, s, q)
			if want == nil {
				want = got
			}
			if n := 7 + len(c.of("ValueSet")); len(got) != n || total != n || !slices.Equal(got, want) {
				t.Errorf("sort %v, pages of %d: %d found, total %d, want %d in the same order as in one page", sort, limit, len(got), total, n)
			}
		}
	}
}

func walk(t *testing.T, s store.Store, q store.Query) (ids []string, total int) {
	t.Helper()
	for {
		p, err := s.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if q.After == nil {
			total = p.Total
		}
		for _, v := range p.Versions {
			ids = append(ids, v.Key.ID)
		}
		if !p.More {
			return ids, total
		}
		q.Snapshot, q.After = p.Snapshot, p.Next
	}
}

func TestFindReadAndKeep(t *testing.T) {
	c, _ := catalogue(t)
	s := stored(t, c)
	ctx := context.Background()
	v := auth.NewView([]string{"org|A"}, []string{"*"}, nil)
	q := store.Query{View: v, Type: "SearchParameter", Limit: 5, Where: []store.Clause{{
		Param: "url", Kind: store.URI, Any: []store.Match{{Value: "http://hl7.org/fhir/SearchParameter/clinical-patient"}}}}}
	p, err := s.Search(ctx, q)
	if err != nil || len(p.Versions) != 1 || p.Versions[0].Key.ID != "clinical-patient" {
		t.Fatalf("found %v, %v", p.Versions, err)
	}
	k := p.Versions[0].Key
	if got, err := s.Read(ctx, v, k); err != nil || got.Number != 1 || len(got.Body) == 0 {
		t.Errorf("read %v, %v", got.Number, err)
	}
	if _, err := s.Read(ctx, auth.NewView(nil, []string{"Patient"}, nil), k); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a view without the type: %v, want not found", err)
	}
	if _, err := s.Commit(ctx, store.Commit{Writes: []store.Write{{View: v, Key: k, Expect: 1, Deleted: true}}}); !errors.Is(err, store.ErrForbidden) {
		t.Errorf("delete: %v, want forbidden", err)
	}
	q.View = auth.NewView(nil, []string{"Patient"}, nil)
	if p, err := s.Search(ctx, q); err != nil || len(p.Versions) != 0 {
		t.Errorf("a view without the type found %d, %v", len(p.Versions), err)
	}
}
