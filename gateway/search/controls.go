package search

import (
	"slices"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// controls are the parameters that shape the answer; each reports whether the
// value, as it was sent, belongs in the self link.
var controls = map[string]func(*parser, string) bool{
	"_count":    (*parser).count,
	"_total":    (*parser).total,
	"_sort":     (*parser).sort,
	"_summary":  (*parser).summary,
	"_elements": (*parser).elements,
	"_cursor":   func(p *parser, v string) bool { p.q.Cursor = v; return false },
	"_format":   func(*parser, string) bool { return false },
	"_pretty":   func(*parser, string) bool { return false },
	"_contained": func(p *parser, v string) bool {
		if v != "false" {
			p.fail(fhir.NotSupported, "_contained", "contained resources are not found by themselves; the only value is false")
		}
		return v == "false"
	},
	"_containedType": func(p *parser, _ string) bool {
		p.fail(fhir.NotSupported, "_containedType", "contained resources are not found by themselves")
		return false
	},
}

func (p *parser) count(v string) bool {
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		p.fail(fhir.BadValue, "_count", "a whole number from 0 to %d was expected", MaxCount)
		return false
	}
	p.q.Count = min(n, MaxCount)
	p.q.Applied.Set("_count", strconv.Itoa(p.q.Count))
	if p.q.Summary == SummaryCount {
		p.q.Count = 0
	}
	return false
}

// oneOf returns the position of v among the values, or -1 with a fault.
func (p *parser) oneOf(name, v string, values ...string) int {
	i := slices.Index(values, v)
	if i < 0 {
		p.fail(fhir.NotSupported, name, "supported values are %s", strings.Join(values, ", "))
	}
	return i
}

func (p *parser) total(v string) bool {
	switch p.oneOf("_total", v, "none", "estimate", "accurate") {
	case -1:
		return false
	case 0:
		p.q.Total = TotalNone
	default:
		p.q.Total = TotalAccurate
	}
	return true
}

func (p *parser) summary(v string) bool {
	i := p.oneOf("_summary", v, "false", "true", "text", "data", "count")
	if i < 0 {
		return false
	}
	p.q.Summary = Summary(i)
	if p.q.Summary == SummaryCount {
		p.q.Count = 0
	}
	if p.q.Summary != SummaryFalse && p.q.Elements != nil {
		p.fail(fhir.Invalid, "_summary", "ask for _summary or for _elements")
	}
	return true
}

// elements reads the names of top-level elements.
func (p *parser) elements(v string) bool {
	for name := range strings.SplitSeq(v, ",") {
		if !slices.ContainsFunc(p.q.types, func(t *typeQuery) bool { return p.hasElement(t.typ, name) }) {
			p.fail(fhir.BadValue, "_elements", "names of top-level elements were expected, such as status or subject")
			return false
		}
		p.q.Elements = append(p.q.Elements, name)
	}
	return true
}

func (p *parser) hasElement(typ, name string) bool {
	table := p.reg.defs.Table(typ)
	return table != nil && (table.Slot(name) != nil || table.Member(name) != nil)
}

// sort reads _sort. Newest first is the order that a store has anyway.
func (p *parser) sort(v string) bool {
	if v == "-_lastUpdated" {
		return true
	}
	for key := range strings.SplitSeq(v, ",") {
		name, descending := strings.CutPrefix(key, "-")
		o, text := p.order(name)
		if text != "" {
			p.fail(fhir.NotSupported, "_sort", "%s", text)
			return false
		}
		o.Descending = descending
		if slices.ContainsFunc(p.q.Sort, func(s store.Order) bool { return s.Param == o.Param && s.Kind == o.Kind }) {
			p.fail(fhir.Invalid, "_sort", "a parameter can be sorted by once")
			return false
		}
		p.q.Sort = append(p.q.Sort, o)
	}
	return true
}

// order finds the index of a parameter that all types have alike.
func (p *parser) order(name string) (o store.Order, text string) {
	for i, t := range p.q.types {
		param := p.reg.Param(t.typ, name)
		if param == nil || param.kind == 0 || param.kind == store.Point {
			return o, "a search parameter that can be sorted by was expected, optionally after a -"
		}
		same := store.Order{Param: param.stored, Kind: param.kind, Common: param.common, Silent: param.silent}
		if i > 0 && o != same {
			return o, "the types that are searched cannot be sorted by this parameter together"
		}
		o = same
	}
	return o, ""
}
