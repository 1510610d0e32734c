package search

import (
	"cmp"
	"slices"
	"strings"

	"trellis.example/fhir/definitions"
	"trellis.example/fhir/path"
	"trellis.example/gateway/store"
)

// A plan is what the registry knows of one type: its parameters and one tree of
// the elements they select.
type plan struct {
	typ     string
	params  []*Param
	byName  map[string]*Param
	refused []Refusal
	root    *node
	// computed are the parameters that need more than walking.
	computed []computed
	// refs are the indexes of leading references.
	refs []refIndex
	// embeds: the document carries other documents, whose references are theirs.
	embeds bool
}

var kinds = map[string]store.Kind{
	"token": store.Token, "reference": store.Reference, "date": store.Date, "uri": store.URI, "string": store.Text,
	"number": store.Number, "quantity": store.Quantity, "special": store.Point,
}

// answeredNowhere are the parameters of every type that no store answers.
var answeredNowhere = map[string]string{
	"_text":    "searching the narrative is not supported; ask for a string or token parameter, with :contains or :text",
	"_content": "searching the whole text is not supported; ask for a string or token parameter, with :contains or :text",
	"_list":    "searching by membership of a List is not supported; read the List and ask for _id",
	"_filter":  "filter expressions are not supported; use the parameters of the type",
	"_query":   "named queries are not supported; use the parameters of the type",
}

// corrected are expressions that R4 has wrong, as they are meant: the extension
// is not published under the address that R4's expression names.
var corrected = map[string]string{
	"http://hl7.org/fhir/SearchParameter/patient-extensions-Patient-mothersMaidenName": "Patient.extension('http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName') | Patient.extension('http://hl7.org/fhir/StructureDefinition/patient-extensions-Patient-mothersMaidenName')",
}

// A draft is a parameter whose elements are known, but not yet its index.
type draft struct {
	*Param
	places   []place
	computed *path.Path
	anchors  []string // the members of the document that computed begins at
	key      string
}

func (r *Registry) compile(typ string) *plan {
	c := compiler{Registry: r, pl: &plan{typ: typ, byName: map[string]*Param{}, root: &node{}}, table: r.defs.Table(typ)}
	c.pl.embeds = typ == "Bundle" || typ == "Parameters"
	if c.table == nil {
		return c.pl
	}
	var composites []*definitions.SearchParam
	for _, sp := range slices.Concat(r.defs.SearchParams(typ), r.defs.SearchParams("DomainResource"), r.defs.SearchParams("Resource")) {
		switch {
		case everyType[sp.Code] != nil || answeredNowhere[sp.Code] != "" || c.seen(sp.Code):
		case sp.Type == "composite":
			composites = append(composites, sp)
		default:
			c.draft(sp)
		}
	}
	c.share()
	for _, sp := range composites {
		c.composite(sp)
	}
	c.through()
	c.pl.root.cover(c.pl.byRefs())
	c.pl.indexRefs()
	slices.SortFunc(c.pl.params, func(a, b *Param) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(c.pl.refused, func(a, b Refusal) int { return cmp.Compare(a.Name, b.Name) })
	return c.pl
}

// A compiler makes the plan of one type.
type compiler struct {
	*Registry
	pl     *plan
	table  *definitions.Table
	drafts []*draft
	parts  map[string]*Param // of composites, by the elements selected
}

func (c *compiler) seen(code string) bool {
	return slices.ContainsFunc(c.drafts, func(d *draft) bool { return d.Name == code })
}

func (c *compiler) refuse(code, why string) { c.pl.refused = append(c.pl.refused, Refusal{code, why}) }

// draft binds one definition to the type.
func (c *compiler) draft(sp *definitions.SearchParam) {
	d := &draft{Param: &Param{Name: sp.Code, Type: sp.Type, URL: sp.URL, Targets: sp.Targets, kind: kinds[sp.Type], stored: sp.Code, sounds: sp.Code == "phonetic"}}
	expr := cmp.Or(corrected[sp.URL], sp.Expression)
	if expr == "" {
		c.refuse(sp.Code, "R4 does not say which element it means")
		return
	}
	places, ok := bind(c.defs, expr, c.table)
	if !ok {
		if !c.compute(d, expr) {
			return
		}
	} else if d.places = d.usable(places); len(d.places) == 0 {
		c.refuse(sp.Code, "R4's expression selects nothing of this type")
		return
	}
	d.finish(c.defs)
	c.drafts = append(c.drafts, d)
}

// compute gives the draft an expression of more than names.
func (c *compiler) compute(d *draft, expr string) bool {
	compiled, err := path.Compile(expr, c.pl.typ)
	if err != nil || compiled.Empty() {
		c.refuse(d.Name, "R4's expression cannot be evaluated for this type")
		return false
	}
	d.computed, d.anchors = compiled, c.anchorsOf(expr)
	if strings.HasSuffix(expr, ".ofType(Reference)") {
		d.datatypes = []string{"Reference"}
	}
	return true
}

// anchorsOf returns the members without which an expression selects nothing;
// none when it is no plain union of paths.
func (c *compiler) anchorsOf(expr string) (out []string) {
	if strings.Contains(expr, " and ") || strings.Contains(expr, "!=") {
		return nil
	}
	for _, alt := range alternativesOf(expr) {
		rest, ok := strings.CutPrefix(alt, c.pl.typ+".")
		if !ok {
			continue
		}
		name := rest[:cmp.Or(max(strings.IndexAny(rest, ".([ "), 0), len(rest))]
		slot := c.table.Slot(name)
		if slot == nil {
			return nil
		}
		for _, m := range slot.Members {
			out = append(out, m.Name)
		}
	}
	return out
}

// usable keeps the places whose data type the kind of search can compare.
func (d *draft) usable(places []place) (out []place) {
	for _, p := range places {
		if takerOf(d.kind, p.typ) != nil {
			out = append(out, p)
		}
	}
	return out
}

// finish sets what follows from the places.
func (d *draft) finish(defs *definitions.Definitions) {
	keys, choices := []string{d.Type}, map[string]bool{}
	many := d.computed != nil
	for _, p := range d.places {
		keys = append(keys, p.key())
		choices[p.choice] = true
		many = many || p.many
		if !d.has(p.typ) {
			d.datatypes = append(d.datatypes, p.typ)
		}
		if set := defs.ValueSet(p.set); set != nil && !slices.Contains(d.sets, set) {
			d.sets = append(d.sets, set)
		}
		if p.target != "" {
			d.Targets = []string{p.target}
		}
	}
	if d.computed != nil || d.sounds {
		keys = append(keys, d.Name)
	}
	if d.Name == "patient" {
		d.Targets = []string{"Patient"}
	}
	if d.Type == "reference" && len(d.Targets) == 1 {
		d.only = d.Targets[0]
	}
	slices.Sort(keys[1:])
	slices.Sort(d.datatypes)
	d.key = strings.Join(keys, "|")
	d.single = !many && len(choices) == 1 && (d.kind == store.Date || d.kind == store.Number)
}

// leads reports whether a parameter of the type is to lead.
func (c *compiler) leads(code string) bool {
	if code == "_tag" {
		return true
	}
	if names, held := c.held[c.pl.typ]; held {
		return slices.Contains(names, code)
	}
	return leading[code]
}

// share lets parameters that select the same elements use one index, and adds
// all to the plan. Definitions come sorted by code, so that the index has the
// name of the first; a filter by target moves to the query.
func (c *compiler) share() {
	groups := map[string][]*draft{}
	for _, d := range c.drafts {
		groups[d.key] = append(groups[d.key], d)
	}
	for _, d := range c.drafts {
		group := groups[d.key]
		first := group[0]
		d.stored, d.names = first.stored, namesOf(first.stored)
		d.silent = !slices.ContainsFunc(group, func(g *draft) bool { return c.leads(g.Name) })
		d.common = !d.silent && d.kind != store.Reference && slices.ContainsFunc(group, func(g *draft) bool { return common[g.Name] })
		d.filtered = d.only != "" && slices.ContainsFunc(group, func(g *draft) bool { return g.only != d.only })
		c.add(d.Param)
		if d != first {
			continue
		}
		for _, p := range d.places {
			c.pl.root.at(p.steps).end(d.Param, p)
		}
		d.ledBy = c.unfiltered(d)
		if d.computed != nil {
			c.pl.computed = append(c.pl.computed, computed{d.Param, d.computed, d.anchors})
		}
	}
}

// unfiltered finds the leading parameter that a silent one with a filter, such
// as phone, is part of: telecom.
func (c *compiler) unfiltered(d *draft) *Param {
	if !d.silent || len(d.places) == 0 || d.places[0].system == "" {
		return nil
	}
	for _, o := range c.drafts {
		if c.leads(o.Name) && o.kind == d.kind && len(o.places) == 1 && len(d.places) == 1 && o.places[0].key() == strings.TrimSuffix(d.places[0].key(), d.places[0].system) {
			return o.Param
		}
	}
	return nil
}

func (c *compiler) add(p *Param) {
	c.pl.byName[p.Name] = p
	c.pl.params = append(c.pl.params, p)
}

// byRefs marks the silent reference parameters whose elements are references;
// node.cover takes away those that share an element with a leading one.
func (pl *plan) byRefs() []*Param {
	for _, p := range pl.params {
		p.byRef = p.kind == store.Reference && p.silent && len(p.datatypes) == 1 && p.datatypes[0] == "Reference" && !pl.embeds
	}
	return pl.params
}

// through adds what is answered by the parameter of another type: where a
// service is near is where its locations are.
func (c *compiler) through() {
	if c.pl.typ != "HealthcareService" {
		return
	}
	c.add(&Param{Name: "near", Type: "special", URL: c.base + "SearchParameter/HealthcareService-near", Targets: []string{"Location"}, through: "location"})
}
