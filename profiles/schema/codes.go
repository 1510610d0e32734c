package schema

import (
	"strings"

	"trellis.example/profiles/terminology"
)

// Held lists the value sets that a terminology service can list: those of few
// enough codes, none of whose systems takes a code in any letter case.
func Held(s *terminology.Service) Codes {
	if s == nil {
		return nil
	}
	return func(valueSet string) ([]Code, bool) {
		set := s.Set(valueSet)
		x, err := s.Expand(terminology.ExpandRequest{URL: valueSet, Count: maxCodes + 1})
		if set == nil || err != nil || x.Total > maxCodes || x.Total != len(x.Contains) {
			return nil, false
		}
		out := make([]Code, 0, len(x.Contains))
		for _, m := range x.Contains {
			out = append(out, Code{m.System, m.Code})
		}
		for _, c := range out {
			for _, other := range [...]string{strings.ToLower(c.Code), strings.ToUpper(c.Code)} {
				if other != c.Code && set.Has(c.System, other) != terminology.No && !holds(out, c.System, other) {
					return nil, false
				}
			}
		}
		return out, true
	}
}

func holds(list []Code, system, code string) bool {
	for _, c := range list {
		if c.System == system && c.Code == code {
			return true
		}
	}
	return false
}
