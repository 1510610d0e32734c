package questionnaire

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

const core = "http://hl7.org/fhir/StructureDefinition/"

// limits are what an item's extensions, and maxLength, ask of each answer. A
// zero field asks nothing.
type limits struct {
	minLength, maxLength int // characters
	decimals             int // digits after the point; -1: any number
	min, max             bound
	regex                *regexp.Regexp
	regexSize            int
	mimeTypes            []string
	maxSize              float64 // megabytes
	resources            []string
	units                []code
	unitSet              *set
}

// A bound is a minValue or maxValue.
type bound struct {
	kind kind
	v    fhir.Value
}

// Limits on the regular expressions of one Questionnaire: instructions, roughly.
const (
	maxPattern   = 256
	maxRegexSize = 1_000
	maxRegexes   = 100_000
	maxMatched   = 4_096 // bytes of an answer that a pattern is held against
)

// extensions reads what an item's extensions and maxLength ask of its answers.
func (c *compiler) extensions(it *item) {
	l := limits{decimals: -1}
	used := false
	if n, ok := positive(it.source.Get("maxLength")); ok {
		l.maxLength, used = n, true
	}
	for e := range it.source.Get("extension").Items() {
		if c.limit(it, &l, e) {
			used = true
		}
	}
	if used {
		it.limits = &l
	}
	c.contradictions(it, &l)
}

// limit reads one extension and reports whether it restricts answers.
func (c *compiler) limit(it *item, l *limits, e fhir.Value) bool {
	url, ours := strings.CutPrefix(e.Get("url").Text(), core)
	if !ours {
		return false
	}
	v := valueOf(e)
	switch url {
	case "questionnaire-minOccurs":
		it.min, _ = positive(v)
	case "questionnaire-maxOccurs":
		it.max, _ = positive(v)
	case "minLength":
		l.minLength, _ = positive(v)
	case "maxDecimalPlaces":
		if n, err := strconv.Atoi(v.Text()); err == nil && n >= 0 {
			l.decimals = n
		}
	case "minValue", "maxValue":
		c.bound(it, l, e, url)
	case "regex":
		c.regex(l, v)
	case "mimeType":
		l.mimeTypes = append(l.mimeTypes, v.Text())
	case "maxSize":
		l.maxSize, _ = number(v.Text())
	case "questionnaire-referenceResource":
		l.resources = append(l.resources, v.Text())
	case "questionnaire-referenceProfile":
		return l.profile(v.Text())
	case "questionnaire-unit", "questionnaire-unitOption":
		if it.code != "quantity" {
			return false // of a number: what its unit is once it is extracted
		}
		l.units = append(l.units, codeOf(v))
	case "questionnaire-unitValueSet":
		l.unitSet = c.setOf(v)
	default:
		return false
	}
	return true
}

// valueOf returns the value[x] of an extension.
func valueOf(e fhir.Value) fhir.Value {
	for m := e.First(); m.Exists(); m = m.Next() {
		if strings.HasPrefix(m.Key(), "value") {
			return m
		}
	}
	return fhir.Value{}
}

func positive(v fhir.Value) (int, bool) {
	n, err := strconv.Atoi(v.Text())
	return max(n, 0), err == nil && n > 0
}

// profile notes the type that a profile of R4 itself stands for. Whether a
// target follows any other profile cannot be seen from the reference.
func (l *limits) profile(canonical string) bool {
	typ, ok := strings.CutPrefix(fhir.ParseCanonical(canonical).URL, core)
	if !ok || !definitions.R4().IsResource(typ) {
		return false
	}
	l.resources = append(l.resources, typ)
	return true
}

func (c *compiler) bound(it *item, l *limits, e fhir.Value, which string) {
	v, k := typed(e, "value")
	switch {
	case k == none:
		return
	case k == integer && (it.kinds.has(decimal) || it.kinds.has(quantity)), k == decimal && (it.kinds.has(integer) || it.kinds.has(quantity)):
	case k == date && it.kinds.has(dateTime), k == dateTime && it.kinds.has(date):
	case !it.kinds.has(k):
		c.fault(v, &defLimit, which+" is not of the item's type", it.kinds.String())
		return
	}
	if which == "minValue" {
		l.min = bound{k, v}
	} else {
		l.max = bound{k, v}
	}
}

// contradictions reports limits that no answer can meet.
func (c *compiler) contradictions(it *item, l *limits) {
	order, ok := 0, l.min.kind != none && l.max.kind != none
	if ok {
		order, ok = compare(widest(l.min.kind, l.max.kind), l.min.v, l.max.v)
	}
	switch {
	case ok && order > 0,
		l.maxLength > 0 && l.minLength > l.maxLength,
		it.max > 0 && it.min > it.max,
		it.typ != group && it.min > 1 && !it.repeats:
		c.fault(it.source, &defLimit, "no answer can meet the limits of this item", "limits that leave room between them")
	}
}

// widest is the kind by which values of two kinds are compared.
func widest(a, b kind) kind {
	if a == integer {
		return b
	}
	return a
}

// regex compiles a pattern for the whole answer. Go's engine takes time that
// grows with the pattern times the text, so both are bounded.
func (c *compiler) regex(l *limits, v fhir.Value) {
	pattern := v.Text()
	if len(pattern) > maxPattern {
		c.fault(v, &defRegex, "the pattern is too long", fmt.Sprintf("at most %d characters", maxPattern))
		return
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		c.fault(v, &defRegex, "the pattern cannot be used", "a regular expression of RE2")
		return
	}
	size := sizeOf(tree)
	if c.regexes += size; size > maxRegexSize || c.regexes > maxRegexes {
		c.fault(v, &defRegex, "the pattern, or all patterns together, are too large", "fewer repetitions")
		return
	}
	if re, err := regexp.Compile(`\A(?:` + pattern + `)\z`); err == nil {
		l.regex, l.regexSize = re, size
	}
}

// sizeOf estimates the instructions that an expression compiles to.
func sizeOf(re *syntax.Regexp) int {
	n := 1
	for _, sub := range re.Sub {
		n += sizeOf(sub)
	}
	switch re.Op {
	case syntax.OpLiteral:
		n += len(re.Rune)
	case syntax.OpCharClass:
		n += len(re.Rune) / 8
	case syntax.OpRepeat:
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, 10*maxRegexSize)
}
