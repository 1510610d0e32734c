package questionnaire

import (
	"fmt"

	"trellis.example/fhir"
	"trellis.example/profiles/terminology"
)

// options are the answers an item allows by its answerOption.
type options struct {
	codings codes
	values  map[value]option
}

// codes are coded options with their ordinal values.
type codes struct {
	of              map[code]option
	unscored        bool // one has no ordinal value
	lowest, highest float64
}

func (c *codes) add(key code, o option) {
	if len(c.of) == 0 {
		c.of = map[code]option{}
		c.lowest, c.highest = o.ordinal, o.ordinal
	}
	c.of[key] = o
	c.unscored = c.unscored || !o.scored
	c.lowest, c.highest = min(c.lowest, o.ordinal), max(c.highest, o.ordinal)
}

// A value is an option that is no Coding.
type value struct {
	kind kind
	text string // of a reference, its literal
}

type option struct {
	ordinal   float64
	scored    bool
	exclusive bool
}

func (o *options) len() int { return len(o.codings.of) + len(o.values) }

// find returns the option that an answer chose.
func (o *options) find(k kind, v fhir.Value) (option, bool) {
	if k == coding {
		found, ok := o.codings.of[codeOf(v)]
		return found, ok
	}
	found, ok := o.values[valueOption(k, v)]
	return found, ok
}

// valueOption is what a value is looked up by. R4 has no options of the types
// decimal and dateTime: those of integer and date serve.
func valueOption(k kind, v fhir.Value) value {
	switch k {
	case reference:
		return value{k, v.Get("reference").Text()}
	case decimal:
		k = integer
	case dateTime:
		k = date
	}
	return value{k, v.Text()}
}

// choices reads answerOption and answerValueSet, and with them the kinds of
// answers that a choice may have.
func (c *compiler) choices(it *item) {
	given, set := it.source.Get("answerOption"), it.source.Get("answerValueSet")
	if set.Exists() {
		it.set = c.setOf(set)
	}
	if !given.Exists() {
		return
	}
	allowed := optionKinds[it.code]
	it.options = &options{values: map[value]option{}}
	var kinds kinds
	for o := range given.Items() {
		v, k := typed(o, "value")
		switch {
		case k == none:
			continue
		case !allowed.has(k):
			c.fault(v, &defOption, "an option of this type does not fit the item's type", allowed.String())
			continue
		}
		kinds = kinds.with(k)
		c.option(it.options, o, v, k)
	}
	c.fit(it, kinds)
}

func (c *compiler) option(o *options, at, v fhir.Value, k kind) {
	if c.options++; c.options > maxOptions {
		if c.options == maxOptions+1 {
			c.fault(at, &defSize, "the Questionnaire has too many options", fmt.Sprintf("at most %d", maxOptions))
		}
		return
	}
	if _, twice := o.find(k, v); twice {
		c.fault(v, &defOption, "this option stands in the item already", "an option that is not there yet")
		return
	}
	var opt option
	opt.read(at)
	opt.read(v)
	if k == coding {
		o.codings.add(codeOf(v), opt)
		return
	}
	o.values[valueOption(k, v)] = opt
}

// read takes what extensions say of an option: on the option itself or on its
// Coding.
func (o *option) read(v fhir.Value) {
	for e := range v.Get("extension").Items() {
		switch e.Get("url").Text() {
		case core + "ordinalValue", core + "itemWeight":
			o.ordinal, o.scored = number(valueOf(e).Text())
		case core + "questionnaire-optionExclusive":
			o.exclusive = valueOf(e).Text() == "true"
		}
	}
}

// fit sets the kinds of answers from those of the options: an option of type
// date for an item dateTime is answered as a dateTime.
func (c *compiler) fit(it *item, kinds kinds) {
	switch it.code {
	case "choice":
		it.kinds = kinds
	case "open-choice":
		it.kinds = kinds.with(text)
	}
	if it.kinds == 0 {
		it.kinds = answerKinds[it.code]
	}
}

// A set is a value set that answers are drawn from: one held elsewhere, or one
// contained in the Questionnaire.
type set struct {
	name      string             // as issues show it
	canonical string             // contained: ""
	held      *terminology.Set   // nil: contained, or not held at all
	codes     codes              // contained: those listed
	other     []*terminology.Set // contained: sets it includes
	open      bool               // contained: it may hold any code besides
	// systems and excludes: contained, code systems of which codes that are not
	// listed may be in, or those listed may be out.
	systems, excludes map[string]bool
	known             bool // false: not held
}

// has reports whether a Coding is in the set.
func (s *set) has(v code) terminology.Answer {
	switch {
	case !s.known:
		return terminology.Unknown
	case s.held != nil:
		return s.held.Has(v.system, v.code)
	}
	_, listed := s.codes.of[v]
	switch {
	case s.excludes[v.system] || s.open && !listed:
		return terminology.Unknown
	case listed:
		return terminology.Yes
	}
	answer := terminology.No
	if s.systems[v.system] {
		answer = terminology.Unknown
	}
	for _, o := range s.other {
		switch o.Has(v.system, v.code) {
		case terminology.Yes:
			return terminology.Yes
		case terminology.Unknown:
			answer = terminology.Unknown
		}
	}
	return answer
}

func (c *compiler) setOf(at fhir.Value) *set {
	canonical := at.Text()
	if canonical == "" {
		return nil
	}
	if canonical[0] != '#' {
		name := canonical
		if c.root.Parent().Exists() {
			name = "the value set that the Questionnaire names" // a text of the document
		}
		if c.sets != nil {
			if held := c.sets(canonical); held != nil {
				return &set{name: name, canonical: canonical, held: held, known: true}
			}
		}
		return &set{name: name, canonical: canonical}
	}
	if s, ok := c.contents[canonical]; ok {
		return s
	}
	s := &set{name: "the value set contained in the Questionnaire"}
	if v := c.find(canonical[1:]); v.Exists() {
		c.contained(s, v)
	} else {
		c.warn(at, &defSet, "no ValueSet of this id is contained in the Questionnaire", "the id of a contained ValueSet")
	}
	c.contents[canonical] = s
	return s
}

// find looks for a contained ValueSet: in the Questionnaire, or beside it where
// it is contained itself.
func (c *compiler) find(id string) fhir.Value {
	if c.held == nil {
		c.held = map[string]fhir.Value{}
		c.hold(c.root.Parent().Parent(), maxBeside)
		c.hold(c.root, maxItems)
	}
	return c.held[id]
}

// hold indexes the value sets among the first contained resources of a holder.
// Those beside a Questionnaire are looked at again for each one beside them.
func (c *compiler) hold(holder fhir.Value, most int) {
	for r := range holder.Get("contained").Items() {
		if most--; most < 0 {
			return
		}
		if r.Get("resourceType").Text() == "ValueSet" {
			c.held[r.Get("id").Text()] = r
		}
	}
}

// contained reads a ValueSet that the Questionnaire brings with it.
func (c *compiler) contained(s *set, v fhir.Value) {
	s.known = true
	if e := v.Get("expansion"); e.Exists() {
		c.expansion(s, e.Get("contains"))
		return
	}
	compose := v.Get("compose")
	for in := range compose.Get("include").Items() {
		c.include(s, in)
	}
	for ex := range compose.Get("exclude").Items() {
		c.exclude(s, ex)
	}
}

func (c *compiler) expansion(s *set, list fhir.Value) {
	for e := range list.Items() {
		if e.Get("abstract").Text() != "true" {
			c.member(s, e.Get("system").Text(), e)
		}
		c.expansion(s, e.Get("contains"))
	}
}

// include reads one include. Codes taken by filter, and whole code systems, leave
// open what belongs to the system; intersections of sets leave all open.
func (c *compiler) include(s *set, in fhir.Value) {
	system, concepts, sets := in.Get("system").Text(), in.Get("concept"), in.Get("valueSet")
	switch {
	case concepts.Exists() && !sets.Exists():
		for con := range concepts.Items() {
			c.member(s, system, con)
		}
	case system != "":
		s.systems = mark(s.systems, system)
	case sets.Len() == 1 && c.sets != nil:
		if held := c.sets(sets.First().Text()); held != nil && len(s.other) < maxOther {
			s.other = append(s.other, held)
			return
		}
		s.open = true
	default:
		s.open = true
	}
}

// exclude takes out the codes listed; where others may be out, what belongs to
// the system is left open.
func (c *compiler) exclude(s *set, ex fhir.Value) {
	system, concepts := ex.Get("system").Text(), ex.Get("concept")
	switch {
	case concepts.Exists() && !ex.Get("valueSet").Exists():
		for con := range concepts.Items() {
			delete(s.codes.of, code{system: system, code: con.Get("code").Text()})
		}
		if s.systems[system] || len(s.other) > 0 {
			s.excludes = mark(s.excludes, system)
		}
	case system != "":
		s.excludes = mark(s.excludes, system)
	default:
		s.open, s.codes.of = true, nil
	}
}

func mark(set map[string]bool, name string) map[string]bool {
	if set == nil {
		set = map[string]bool{}
	}
	set[name] = true
	return set
}

// member adds a code of a contained set, with its ordinal value.
func (c *compiler) member(s *set, system string, v fhir.Value) {
	if c.options++; c.options > maxOptions {
		s.open = true
		return
	}
	var o option
	o.read(v)
	s.codes.add(code{system: system, code: v.Get("code").Text()}, o)
}
