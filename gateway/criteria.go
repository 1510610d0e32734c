package gateway

import (
	"context"
	"net/url"
	"slices"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
	"trellis.example/profiles"
	"trellis.example/profiles/terminology"
)

// criteria are what documents are judged by: our profiles, those of the sender's
// agreement, the questionnaires that the sender may read here, and a terminology
// server where there is one.
type criteria struct {
	definitions search.Searcher
	registry    *search.Registry
	remote      terminology.Remote
}

// options are the criteria for one caller, with the profiles it asks for
// besides.
func (c *criteria) options(ctx context.Context, p auth.Principal, asked ...string) profiles.Options {
	o := profiles.Options{
		BaseOnly: p.Sandbox(), Profiles: p.Profiles, Context: ctx, Remote: c.remote,
		Questionnaire: func(canonical string) (fhir.Resource, bool) { return c.questionnaire(ctx, p, canonical) },
	}
	if len(asked) > 0 {
		o.Profiles = slices.Concat(p.Profiles, asked)
	}
	return o
}

// questionnaire finds a stored questionnaire that the caller may read.
func (c *criteria) questionnaire(ctx context.Context, p auth.Principal, canonical string) (fhir.Resource, bool) {
	return c.stored(ctx, p, "Questionnaire", canonical)
}

// storedVersions is how many stored versions of one definition are looked at for
// the newest.
const storedVersions = 50

// stored finds a definition of a type that is stored here and that the caller
// may read: the one with the version that the canonical names, else the newest
// active one.
func (c *criteria) stored(ctx context.Context, p auth.Principal, typ, canonical string) (fhir.Resource, bool) {
	name := fhir.ParseCanonical(canonical)
	params := url.Values{"url": {name.URL}}
	if name.Version != "" {
		params.Set("version", name.Version)
	}
	view := p.View("search-type")
	q, err := c.registry.Parse([]string{typ}, params, false)
	if err != nil {
		return fhir.Resource{}, false
	}
	sq, err := c.registry.Resolve(ctx, c.definitions, view, q, 0)
	if err != nil {
		return fhir.Resource{}, false
	}
	sq.View, sq.Limit = view, storedVersions
	page, err := c.definitions.Search(ctx, sq)
	if err != nil || len(page.Versions) == 0 {
		return fhir.Resource{}, false
	}
	return newest(page.Versions)
}

// newest returns the definition that was updated last, of those that are active if there
// are any.
func newest(list []store.Version) (found fhir.Resource, ok bool) {
	slices.SortStableFunc(list, func(a, b store.Version) int { return b.Updated.Compare(a.Updated) })
	for _, v := range list {
		r, err := fhir.Decode(v.Body)
		if err != nil {
			continue
		}
		if r.Root().Get("status").Text() == "active" {
			return r, true
		}
		if !ok {
			found, ok = r, true
		}
	}
	return found, ok
}
