package search

import (
	"fmt"
	"slices"
	"strings"

	"trellis.example/fhir/definitions"
	"trellis.example/gateway/store"
)

// composite binds a composite parameter: each alternative of its expression is
// an element, and its parts are taken from within it.
func (c *compiler) composite(sp *definitions.SearchParam) {
	p := &Param{Name: sp.Code, Type: sp.Type, URL: sp.URL, stored: sp.Code}
	for _, alt := range alternativesOf(sp.Expression) {
		first, rest, _ := strings.Cut(alt, ".")
		if first != c.pl.typ {
			continue
		}
		bases, ok := follow(rest, c.table)
		if !ok {
			c.refuse(sp.Code, "R4's expression cannot be evaluated for this type")
			return
		}
		for _, base := range bases {
			parts, ok := c.components(sp, base, len(p.composites))
			if !ok {
				c.refuse(sp.Code, "a part of it cannot be compared")
				return
			}
			p.composites = append(p.composites, parts)
			p.leaders = c.leaders(sp, base)
		}
	}
	if len(p.composites) != 1 {
		p.leaders = nil
	}
	if len(p.composites) == 0 {
		c.refuse(sp.Code, "R4's expression selects nothing of this type")
		return
	}
	c.add(p)
}

func (c *compiler) components(sp *definitions.SearchParam, base place, alternative int) (parts []*Param, ok bool) {
	for i, comp := range sp.Components {
		d := c.component(comp, base)
		if d == nil {
			return nil, false
		}
		key := strings.Join(base.steps, ".") + "/" + d.key
		part := c.parts[key]
		if part == nil {
			d.stored = fmt.Sprintf("%s:%d.%d", sp.Code, alternative+1, i+1)
			d.finish(c.defs)
			d.single, d.silent, d.names = false, true, namesOf(d.stored)
			part = d.Param
			if c.parts == nil {
				c.parts = map[string]*Param{}
			}
			c.parts[key] = part
			for _, p := range d.places {
				c.pl.root.at(base.steps).group().at(p.steps).end(part, p)
			}
		}
		parts = append(parts, part)
	}
	return parts, len(parts) > 1
}

// component binds one part relative to the element; nil when it cannot be
// compared. What it is follows from its own definition, or from the data type
// where R4 has mixed the definitions up.
func (c *compiler) component(comp definitions.Component, base place) *draft {
	var places []place
	for _, alt := range alternativesOf(comp.Expression) {
		ps, ok := follow(alt, base.table)
		if !ok {
			return nil
		}
		places = append(places, ps...)
	}
	own := c.byURL(comp.Definition)
	for _, typ := range [...]string{own.Type, "token", "reference"} {
		d := &draft{Param: &Param{Name: own.Code, Type: typ, URL: own.URL, Targets: own.Targets, kind: kinds[typ]}}
		if d.places = d.usable(places); len(d.places) > 0 {
			d.finish(c.defs)
			return d
		}
	}
	return nil
}

// leaders returns the leading parameter for each part of a composite over the
// whole document.
func (c *compiler) leaders(sp *definitions.SearchParam, base place) (out []*Param) {
	for _, comp := range sp.Components {
		var found *Param
		if d := c.component(comp, base); d != nil && len(base.steps) == 0 {
			for _, other := range c.drafts {
				if other.key == d.key && !other.silent {
					found = other.Param
				}
			}
		}
		out = append(out, found)
	}
	return out
}

// byURL finds a parameter of the type.
func (c *compiler) byURL(url string) definitions.SearchParam {
	all := c.defs.SearchParams(c.pl.typ)
	if i := slices.IndexFunc(all, func(sp *definitions.SearchParam) bool { return sp.URL == url }); i >= 0 {
		return *all[i]
	}
	return definitions.SearchParam{}
}

// together returns the clauses of one composite alternative for one value per
// part.
func together(parts []*Param, matches [][]store.Match) store.Clause {
	var c store.Clause
	for i, p := range parts {
		c.Together = append(c.Together, store.Clause{Param: p.stored, Kind: p.kind, Silent: true, Any: matches[i]})
	}
	return c
}
