package questionnaire

import (
	"fmt"
	"slices"

	"trellis.example/fhir"
)

// An item is one item of a Questionnaire.
type item struct {
	link   string
	line   string // where the rules of the item are, for Issue.Profile
	text   string
	typ    itemType
	code   string // the type as written
	kinds  kinds  // of its answers
	parent int32
	order  int32 // among its siblings
	depth  int32

	required, repeats, readOnly bool
	min, max                    int // answers, or repetitions of a group; max 0: any number

	needs      []int32 // children that must be there
	conditions []condition
	all        bool // of the conditions; else any of them
	vague      bool // several conditions, and nothing says whether all or any
	watch      int32
	limits     *limits
	options    *options
	set        *set
	initial    []fhir.Value
	score      *score
	source     fhir.Value
}

// Limits on a Questionnaire. A response is bounded by those of fhir.Decode.
const (
	maxItems    = 20_000
	maxOptions  = 100_000 // of all items together
	maxChain    = 1_000   // conditions that depend on each other
	maxFaults   = 400
	maxOther    = 16      // value sets that a contained one includes
	maxBeside   = 256     // contained resources beside a contained Questionnaire
	maxCompared = 200_000 // rows and items of totals together
)

// A compiler reads one Questionnaire.
type compiler struct {
	q       *Questionnaire
	root    fhir.Value
	sets    Sets
	emit    Emit
	faults  int
	options int
	regexes int // size of the regular expressions so far
	rows    int // of totals
	// contents are the contained value sets read so far.
	contents map[string]*set
	held     map[string]fhir.Value // contained value sets by id
}

func compile(root fhir.Value, sets Sets, emit Emit) *Questionnaire {
	q := &Questionnaire{links: map[string]int32{}}
	c := &compiler{q: q, root: root, sets: sets, emit: emit, contents: map[string]*set{}}
	c.header()
	c.items(root, noItem)
	c.subjects()
	for i := range q.items {
		c.conditions(int32(i))
		c.readScore(int32(i))
	}
	c.cycles()
	for i := range q.items {
		if it := &q.items[i]; it.required || it.min > 0 {
			c.needed(int32(i))
		}
	}
	return q
}

func (c *compiler) header() {
	q := c.q
	q.url, q.version, q.status = c.root.Get("url").Text(), c.root.Get("version").Text(), c.root.Get("status").Text()
	q.canonical = fhir.Canonical{URL: q.url, Version: q.version}.String()
	if c.root.Parent().Exists() {
		q.canonical = "" // no line of it can be looked up elsewhere
	}
}

func (c *compiler) subjects() {
	for s := range c.root.Get("subjectType").Items() {
		c.q.subjects = append(c.q.subjects, s.Text())
	}
}

// fault reports an error of the Questionnaire; once there are very many, no more.
func (c *compiler) fault(at fhir.Value, r *rule, text, expected string) {
	c.report(at, fhir.SeverityError, r, text, expected)
}

func (c *compiler) warn(at fhir.Value, r *rule, text, expected string) {
	c.report(at, fhir.SeverityWarning, r, text, expected)
}

func (c *compiler) report(at fhir.Value, severity fhir.Severity, r *rule, text, expected string) {
	if c.faults++; c.faults > maxFaults {
		return
	}
	c.emit(at, "", fhir.Issue{Severity: severity, Code: fhir.BusinessRule, Rule: r.id, Text: text, Expected: expected, Hint: r.hint})
}

// items reads the items below v. Their depth is bounded by that of the document.
func (c *compiler) items(v fhir.Value, parent int32) {
	order := int32(0)
	for m := range v.Get("item").Items() {
		if m.Kind() != fhir.Object {
			continue // base R4 reports it
		}
		if len(c.q.items) >= maxItems {
			c.fault(m, &defSize, "the Questionnaire has too many items", fmt.Sprintf("at most %d", maxItems))
			return
		}
		i := c.item(m, parent, order)
		order++
		c.items(m, i)
	}
}

func (c *compiler) item(v fhir.Value, parent, order int32) int32 {
	i := int32(len(c.q.items))
	it := item{
		link: v.Get("linkId").Text(), text: v.Get("text").Text(), code: v.Get("type").Text(), source: v,
		parent: parent, order: order, watch: noItem,
		required: v.Get("required").Text() == "true", repeats: v.Get("repeats").Text() == "true",
		readOnly: v.Get("readOnly").Text() == "true",
	}
	if parent != noItem {
		it.depth = c.q.items[parent].depth + 1
	}
	it.typ, it.kinds = typeOf(it.code), answerKinds[it.code]
	if c.q.canonical != "" {
		it.line = c.q.canonical + "#" + label(it.link)
	}
	if _, twice := c.q.links[it.link]; twice && it.link != "" {
		c.fault(v.Get("linkId"), &defLink, "this linkId stands in the Questionnaire already", "a linkId that no other item has")
	} else {
		c.q.links[it.link] = i
	}
	c.extensions(&it)
	c.choices(&it)
	c.defaults(&it)
	if it.typ == display && v.Get("item").Exists() || it.typ == unknownType && it.code != "" {
		c.fault(v, &defType, "an item of this type cannot stand here", "a group or a question")
	}
	c.q.items = append(c.q.items, it)
	return i
}

// label makes a linkId fit for a message: those that look like content are not
// shown.
func label(link string) string {
	if len(link) > 64 {
		return "?"
	}
	for i := range len(link) {
		if c := link[i]; c <= ' ' || c >= 0x7f {
			return "?"
		}
	}
	return link
}

// defaults reads initial[x], whose type must be the item's.
func (c *compiler) defaults(it *item) {
	for in := range it.source.Get("initial").Items() {
		v, k := typed(in, "value")
		switch {
		case k == none:
		case it.kinds.has(k):
			it.initial = append(it.initial, v)
		default:
			c.fault(v, &defInitial, "the initial value is not of the item's type", it.kinds.String())
		}
	}
	if it.options != nil {
		for o := range it.source.Get("answerOption").Items() {
			if o.Get("initialSelected").Text() == "true" {
				v, _ := typed(o, "value")
				it.initial = append(it.initial, v)
			}
		}
	}
}

// needed notes an item with its parent as one that must be there. A group of
// nothing but texts to show need not.
func (c *compiler) needed(i int32) {
	it := &c.q.items[i]
	if it.typ == display || it.typ == group && !c.asks(i) {
		return
	}
	if it.parent == noItem {
		c.q.top = append(c.q.top, i)
		return
	}
	p := &c.q.items[it.parent]
	p.needs = append(p.needs, i)
}

// asks reports whether a question stands below a group.
func (c *compiler) asks(i int32) bool {
	depth := c.q.items[i].depth
	rest := c.q.items[i+1:]
	n := slices.IndexFunc(rest, func(it item) bool { return it.depth <= depth || it.typ == question })
	return n >= 0 && rest[n].depth > depth
}
