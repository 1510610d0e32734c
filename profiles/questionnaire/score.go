package questionnaire

import (
	"fmt"
	"math"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/path"
)

// ScoreURL is the extension on an item of a Questionnaire that says how its
// answer is computed. Its parts: method (code: sum, mean or table), item (string,
// the linkId of each item that counts), reverse (string, the linkId of each that
// counts backwards), places (integer, decimal places of a mean, 2 unless given)
// and, for a table, row, each with the parts sum and value (decimal).
const ScoreURL = "https://trellis.example/fhir/StructureDefinition/ext-score"

const calculatedURL = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression"

// A score is how an item's answer is computed.
type score struct {
	method string
	terms  []term
	places int
	table  map[float64]float64
	faulty bool
	rule   *path.Path // of a calculatedExpression, instead of the above
}

// A term is an item that counts.
type term struct {
	item    int32
	common  int32
	reverse bool
	turn    float64 // lowest plus highest number, when it counts backwards
}

// readScore reads how an item is computed.
func (c *compiler) readScore(i int32) {
	it := &c.q.items[i]
	var calculated fhir.Value
	for e := range it.source.Get("extension").Items() {
		switch e.Get("url").Text() {
		case ScoreURL:
			c.score(i, e)
		case calculatedURL:
			calculated = e
		}
	}
	if calculated.Exists() && it.score == nil {
		c.calculated(it, calculated)
	}
}

func (c *compiler) score(i int32, e fhir.Value) {
	it := &c.q.items[i]
	s := &score{places: 2}
	if it.kinds&(1<<integer|1<<decimal) == 0 || it.repeats {
		c.fault(e, &defScore, "an item of this type cannot be computed", "a single decimal or integer")
		return
	}
	for part := range e.Get("extension").Items() {
		v := valueOf(part)
		switch part.Get("url").Text() {
		case "method":
			s.method = v.Text()
		case "places":
			s.places, _ = positive(v)
		case "item":
			c.term(i, s, v, false)
		case "reverse":
			c.term(i, s, v, true)
		case "row":
			c.row(s, part)
		}
	}
	switch {
	case s.faulty: // said already
	case s.method != "sum" && s.method != "mean" && s.method != "table", len(s.terms) == 0:
		c.fault(e, &defScore, "how the item is computed is not said", "a method (sum, mean or table) and the items that count")
	case (s.method == "table") != (len(s.table) > 0):
		c.fault(e, &defScore, "method and rows do not agree", "rows with the method table, and with no other")
	default:
		it.score = s
	}
}

func (c *compiler) term(i int32, s *score, v fhir.Value, reverse bool) {
	j, known := c.q.links[v.Text()]
	if c.rows++; c.rows > maxCompared {
		return
	}
	if !known {
		c.fault(v, &defScore, "the item that counts is not in the Questionnaire", "the linkId of a question")
		s.faulty = true
		return
	}
	t := term{item: j, common: c.common(i, j), reverse: reverse}
	counted := &c.q.items[j]
	lowest, highest, ok := counted.bounds()
	switch {
	case !counted.numeric():
		c.fault(v, &defScore, "the item that counts has no number", "a single integer, decimal or quantity, or a choice whose options have an ordinalValue")
		s.faulty = true
		return
	case reverse && !ok:
		c.fault(v, &defScore, "an item without a smallest and a largest number cannot count backwards", "minValue and maxValue")
		s.faulty = true
		return
	}
	t.turn = lowest + highest
	s.terms = append(s.terms, t)
	c.watch(j)
}

func (c *compiler) row(s *score, part fhir.Value) {
	var from, to float64
	ok1, ok2 := false, false
	for p := range part.Get("extension").Items() {
		switch p.Get("url").Text() {
		case "sum":
			from, ok1 = number(valueOf(p).Text())
		case "value":
			to, ok2 = number(valueOf(p).Text())
		}
	}
	if c.rows++; c.rows > maxCompared {
		return
	}
	from = rounded(from)
	if _, twice := s.table[from]; !ok1 || !ok2 || twice {
		c.fault(part, &defScore, "the row says nothing, or what another says", "a sum that no other row has, and a value")
		s.faulty = true
		return
	}
	if s.table == nil {
		s.table = map[float64]float64{}
	}
	s.table[from] = to
}

// numeric reports whether every answer to an item is one number.
func (it *item) numeric() bool {
	if it.repeats {
		return false
	}
	switch it.kinds {
	case 1 << integer, 1 << decimal, 1 << quantity:
		return true
	case 1 << coding:
		return it.scored()
	}
	return false
}

// scored reports whether every option has a number.
func (it *item) scored() bool {
	c := it.ordinals()
	return c != nil && len(c.of) > 0 && !c.unscored
}

// ordinals are the options of a choice, as far as they are listed here.
func (it *item) ordinals() *codes {
	switch {
	case it.options != nil:
		return &it.options.codings
	case it.set != nil:
		return &it.set.codes
	}
	return nil
}

// bounds returns the smallest and largest number that an item can have.
func (it *item) bounds() (lowest, highest float64, ok bool) {
	if c := it.ordinals(); c != nil && len(c.of) > 0 {
		return c.lowest, c.highest, true
	}
	if it.limits == nil || it.limits.min.kind == none || it.limits.max.kind == none {
		return 0, 0, false
	}
	lowest, ok1 := number(it.limits.min.v.Text())
	highest, ok2 := number(it.limits.max.v.Text())
	return lowest, highest, ok1 && ok2
}

// number returns the number that an answer counts as.
func (it *item) number(k kind, v fhir.Value) (float64, bool) {
	switch k {
	case integer, decimal:
		return number(v.Text())
	case quantity:
		return number(v.Get("value").Text())
	case coding:
		if c := it.ordinals(); c != nil {
			o, ok := c.of[codeOf(v)]
			return o.ordinal, ok && o.scored
		}
	}
	return 0, false
}

// calculated reads an SDC calculatedExpression. It is evaluated on the answer,
// as a comparison with it, so it must not speak of where it stands.
func (c *compiler) calculated(it *item, e fhir.Value) {
	x := e.Get("valueExpression")
	text := x.Get("expression").Text()
	if x.Get("language").Text() == "text/fhirpath" && strings.HasPrefix(text, "%resource") && len(text) <= 4096 {
		if p, err := path.Compile("("+text+") = value", "QuestionnaireResponse.item.answer"); err == nil {
			it.score = &score{rule: p}
			return
		}
	}
	c.warn(e, &defScore, "this expression cannot be computed here, so what clients give as its value is not checked",
		"FHIRPath that begins at %resource")
}

// compute returns the score of terms that add up to sum; ok is false when the
// table has no row for it.
func (s *score) compute(sum float64) (float64, bool) {
	switch s.method {
	case "mean":
		return sum / float64(len(s.terms)), true
	case "table":
		v, ok := s.table[rounded(sum)]
		return v, ok
	}
	return sum, true
}

// rounded makes a sum of decimals the number that it is written as: 0.1 and 0.2
// are 0.3.
func rounded(sum float64) float64 { return math.Round(sum*1e6) / 1e6 }

// same reports whether a client's total is the computed one. A mean may be
// rounded to its places.
func (s *score) same(computed, given float64) bool {
	if s.method == "mean" {
		return math.Abs(computed-given) <= 0.5*math.Pow10(-s.places)+1e-9
	}
	return math.Abs(computed-given) < 1e-9
}

// expected says in words how the total comes about.
func (s *score) expected() string {
	switch s.method {
	case "sum":
		return fmt.Sprintf("the sum of the %d items that count", len(s.terms))
	case "mean":
		return fmt.Sprintf("the mean of the %d items that count", len(s.terms))
	case "table":
		return "the value that the table has for the items that count"
	}
	return "the value of the Questionnaire's calculatedExpression"
}
