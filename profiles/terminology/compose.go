package terminology

import (
	"strconv"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// A compose is the definition of a value set, from R4's table or a resource.
type compose struct {
	url, version, name, title, status string
	include, exclude                  []include
	noInactive                        bool
}

type include struct {
	system, version string
	concepts        []Concept
	filters         []definitions.Filter
	sets            []string
}

func composeOfR4(c *definitions.Compose) compose {
	out := compose{url: c.URL, version: c.Version, name: c.Name, title: c.Title, status: c.Status}
	for _, inc := range c.Include {
		out.include = append(out.include, includeOfR4(inc))
	}
	for _, exc := range c.Exclude {
		out.exclude = append(out.exclude, includeOfR4(exc))
	}
	return out
}

func includeOfR4(inc definitions.Include) include {
	out := include{system: inc.System, filters: inc.Filters, sets: inc.ValueSets}
	for _, c := range inc.Concepts {
		out.concepts = append(out.concepts, Concept{Code: c.Code, Display: c.Display})
	}
	return out
}

func composeOfResource(r fhir.Resource) compose {
	root := r.Root()
	c := root.Get("compose")
	out := compose{
		url: root.Get("url").Text(), version: root.Get("version").Text(), name: root.Get("name").Text(),
		title: root.Get("title").Text(), status: root.Get("status").Text(),
		noInactive: c.Get("inactive").Text() == "false",
	}
	for v := range c.Get("include").Items() {
		out.include = append(out.include, includeOfValue(v))
	}
	for v := range c.Get("exclude").Items() {
		out.exclude = append(out.exclude, includeOfValue(v))
	}
	if len(out.include) == 0 {
		out.expanded(r)
	}
	return out
}

// expanded takes the codes of a value set that was published as its expansion
// alone. One that lists fewer than it counts is a page, and says nothing.
func (c *compose) expanded(r fhir.Resource) {
	list, total := Listing(r), r.Root().At("expansion", "total").Text()
	if n, err := strconv.Atoi(total); total != "" && (err != nil || n > len(list)) {
		return
	}
	at := map[string]int{}
	for _, m := range list {
		i, ok := at[m.System]
		if !ok {
			i = len(c.include)
			at[m.System] = i
			c.include = append(c.include, include{system: m.System, version: m.Version})
		}
		c.include[i].concepts = append(c.include[i].concepts, *m.Concept)
	}
}

func includeOfValue(v fhir.Value) include {
	out := include{system: v.Get("system").Text(), version: v.Get("version").Text()}
	for c := range v.Get("concept").Items() {
		out.concepts = append(out.concepts, Concept{
			Code: c.Get("code").Text(), Display: c.Get("display").Text(), Designations: readDesignations(c),
		})
	}
	for f := range v.Get("filter").Items() {
		out.filters = append(out.filters, definitions.Filter{
			Property: f.Get("property").Text(), Op: f.Get("op").Text(), Value: f.Get("value").Text(),
		})
	}
	for u := range v.Get("valueSet").Items() {
		out.sets = append(out.sets, u.Text())
	}
	return out
}
