package search

import (
	"slices"
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// controls are the parameters that shape the answer; each reports whether it
// was understood.
var controls = map[string]func(*parser, string) bool{
	"_count": func(p *parser, v string) bool {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			p.fail(fhir.BadValue, "_count", "a whole number from 0 to %d was expected", MaxCount)
			return false
		}
		p.q.Count = min(n, MaxCount)
		return true
	},
	"_total": oneOf("_total", func(q *Query, v string) {
		q.Total = TotalAccurate
		if v == "none" {
			q.Total = TotalNone
		}
	}, "none", "estimate", "accurate"),
	"_sort": oneOf("_sort", func(*Query, string) {}, "-_lastUpdated"),
	"_summary": oneOf("_summary", func(q *Query, v string) {
		if v == "count" {
			q.Count = 0
		}
	}, "count", "false"),
	"_cursor": func(p *parser, v string) bool { p.q.Cursor = v; return false },
	"_format": func(*parser, string) bool { return false },
	"_pretty": func(*parser, string) bool { return false },
}

func oneOf(name string, set func(*Query, string), values ...string) func(*parser, string) bool {
	return func(p *parser, v string) bool {
		if !slices.Contains(values, v) {
			p.fail(fhir.NotSupported, name, "supported values are %s", strings.Join(values, ", "))
			return false
		}
		set(p.q, v)
		return true
	}
}
