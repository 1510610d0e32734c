package oruk

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

// A completer turns what the map wrote into a service that the standard
// accepts: it takes off what reading added, and fills what must be there.
type completer struct {
	words    dialect
	resource fhir.Value // the HealthcareService
	seed     string     // what derived ids are made of; empty: what tells the resource
	losses   []mapping.Loss
}

// lists are the arrays of rows by the object that holds them.
func (c *completer) lists() []string {
	return []string{"phones", c.words.schedules, "service_areas", "service_at_locations", "languages", "funding", "fundings", "cost_options", "contacts", c.words.attributes, "eligibilitys", "holiday_schedules", "link_taxonomy"}
}

func (c *completer) service(doc map[string]any) {
	delete(doc, ownPrefix+"ages")
	delete(doc, ownPrefix+"times")
	c.fill(doc, nil, "id", c.derived("service"))
	switch c.resource.Get("active").Text() {
	case "true":
		c.silent(doc, "status", "active")
	case "false":
		c.silent(doc, "status", "inactive")
	}
	c.fill(doc, nil, "status", "active")
	if o, ok := doc["organization"].(map[string]any); ok {
		c.organization(o)
	}
	c.rows(doc, nil, c.lists(), c.row)
}

func (c *completer) organization(o map[string]any) {
	at := []any{"organization"}
	c.fill(o, at, "id", c.derived("organization"))
	c.fill(o, at, "name", "Not named")
	name, _ := o["name"].(string)
	c.fill(o, at, "description", name)
	c.rows(o, at, []string{"organization_identifiers"}, func(row map[string]any, at []any, _ string) {
		c.fill(row, at, "identifier_type", map[string]string{"GB-CHC": "Charity number", "GB-COH": "Company number"}[text(row, "identifier_scheme")])
	})
}

// rows completes the rows of the named arrays.
func (c *completer) rows(o map[string]any, at []any, names []string, f func(row map[string]any, at []any, list string)) {
	for _, name := range names {
		list, _ := o[name].([]any)
		for i, e := range list {
			row, ok := e.(map[string]any)
			if !ok {
				continue
			}
			for k := range row {
				if k == ownPrefix+"form" {
					delete(row, k)
				}
			}
			if text(row, "id") == "" { // a number for the row, and nothing said about it
				row["id"] = c.derived(placeOf(at) + name + strconv.Itoa(i))
			}
			f(row, append(append([]any{}, at...), name, []any{row["id"]}), name)
		}
	}
}

func (c *completer) row(row map[string]any, at []any, list string) {
	switch list {
	case "languages":
		c.language(row)
	case "service_at_locations":
		if l, ok := row["location"].(map[string]any); ok {
			c.location(l, append(at, "location"))
		}
	case c.words.attributes, "link_taxonomy":
		c.attribute(row, at)
	case c.words.schedules:
		c.silent(row, "freq", "WEEKLY")
	case "service_areas":
		if c.words.ages == "" {
			c.silent(row, "service_area", text(row, "name"))
		}
	}
}

// language writes the code of a row; version 1 has words only.
func (c *completer) language(row map[string]any) {
	code := text(row, ownPrefix+"code")
	delete(row, ownPrefix+"code")
	if c.words.ages == "" {
		c.silent(row, "code", code)
	} else {
		c.silent(row, "language", code)
	}
}

func (c *completer) attribute(row map[string]any, at []any) {
	kind := text(row, ownPrefix+"kind")
	delete(row, ownPrefix+"kind")
	link := map[string]string{"service-type": "service_type", "need": "need", "circumstance": "circumstance", "coded-type": "type", "coded-category": "category"}[kind]
	if link != "" {
		c.silent(row, "link_type", link)
	}
	term, ok := row[c.words.term].(map[string]any)
	if !ok {
		return
	}
	at = append(at, c.words.term)
	if strings.HasPrefix(kind, "coded-") { // the code is the term, whoever uses it
		c.silent(term, "id", uuid.NewSHA1(uuid.NameSpaceURL, []byte(text(term, c.words.taxonomy)+"|"+text(term, "term"))).String())
		c.silent(term, "name", cmp.Or(text(term, "description"), text(term, "term")))
	}
	c.fill(term, at, "id", c.derived(placeOf(at)))
	c.fill(term, at, "name", text(term, "id"))
	if c.words.term == "taxonomy_term" {
		c.silent(term, "description", text(term, "name"))
	}
}

func (c *completer) location(l map[string]any, at []any) {
	c.fill(l, at, "id", c.derived(placeOf(at)))
	if c.words.ages == "" {
		c.fill(l, at, "location_type", "physical")
	}
	c.rows(l, at, []string{c.words.addresses}, func(row map[string]any, at []any, _ string) {
		for _, n := range []string{"address_1", "city", "state_province", "postal_code"} {
			c.fill(row, at, n, "")
		}
		c.fill(row, at, "country", "GB")
		if c.words.ages == "" {
			c.fill(row, at, "address_type", "physical")
		}
	})
	c.rows(l, at, []string{c.words.accessibility}, func(map[string]any, []any, string) {})
}

// derived is an id that is the same whenever the service and the place are.
func (c *completer) derived(place string) string {
	name := c.seed
	for id := range c.resource.Get("identifier").Items() {
		name += " " + id.Get("system").Text() + "|" + id.Get("value").Text()
	}
	if name == "" {
		name = c.resource.Get("id").Text() + " " + c.resource.Get("name").Text()
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://trellis.example/openreferral/"+name+"#"+place)).String()
}

// fill gives a member that the standard requires and the resource has not a
// value, and reports it.
func (c *completer) fill(o map[string]any, at []any, name, value string) {
	if _, ok := o[name]; ok {
		return
	}
	o[name] = value
	c.losses = append(c.losses, mapping.Loss{Source: placeOf(append(append([]any{}, at...), name)), Rule: "default",
		Text: "the standard requires " + name + ", which the resource does not say: a default was used"})
}

// silent fills a member with what the resource says elsewhere.
func (c *completer) silent(o map[string]any, name, value string) {
	if _, ok := o[name]; !ok && value != "" {
		o[name] = value
	}
}

func text(o map[string]any, name string) string { s, _ := o[name].(string); return s }
