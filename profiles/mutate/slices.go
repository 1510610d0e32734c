package mutate

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/profiles/snapshot"
)

// element returns an element of the profile by id, or nil.
func (g *Generator) element(id string) *snapshot.Element {
	for i := range g.st.Elements {
		if g.st.Elements[i].ID == id {
			return &g.st.Elements[i]
		}
	}
	return nil
}

// isMember reports whether a value surely is in a slice: slices known by a fixed
// value or a pattern of one child, or of the value itself.
func (g *Generator) isMember(id string, v fhir.Value) bool {
	sliced := g.element(id[:strings.LastIndexByte(id, ':')])
	if sliced == nil || sliced.Slicing == nil || len(sliced.Slicing.Discriminators) != 1 {
		return false
	}
	d := sliced.Slicing.Discriminators[0]
	if d.Type != "value" && d.Type != "pattern" {
		return false
	}
	at, to := g.element(id), v
	if d.Path != "$this" {
		at, to = g.element(id+"."+d.Path), v.Get(d.Path)
	}
	switch {
	case at != nil && at.Fixed.Kind() == fhir.String:
		return to.Text() == at.Fixed.Text()
	case at != nil && at.Pattern.Exists():
		return includes(to, at.Pattern)
	}
	slice := g.element(id)
	if d.Path == "url" && slice != nil && len(slice.Types) == 1 && len(slice.Types[0].Profiles) == 1 {
		url, _, _ := strings.Cut(slice.Types[0].Profiles[0], "|")
		return to.Text() == url
	}
	return false
}

// includes reports whether v has all that the pattern has.
func includes(v, pattern fhir.Value) bool {
	if v.Kind() != pattern.Kind() {
		return false
	}
	for want := range pattern.All() {
		found := false
		if pattern.Kind() == fhir.Object {
			found = includes(v.Get(want.Key()), want)
		} else {
			for c := range v.All() {
				found = found || includes(c, want)
			}
		}
		if !found {
			return false
		}
	}
	return pattern.Kind() == fhir.Object || pattern.Kind() == fhir.Array || v.Text() == pattern.Text()
}

// sliceRequires takes out what the values of a slice must have, but not that by
// which the slice is known.
func sliceRequires(s *spot) (out []edit) {
	cut := strings.LastIndexByte(s.e.ID, '.')
	holder := s.e.ID[:cut]
	if !strings.Contains(holder[strings.LastIndexByte(holder, '.')+1:], ":") || s.e.Min == 0 || s.slot.Min > 0 || len(s.values) != 1 || s.holder.Len() < 2 {
		return nil
	}
	raw := without(s.holder, s.values[0].Key())
	r, err := fhir.Parse([]byte(raw), fhir.MaxResource)
	if err != nil || !s.g.isMember(holder, r.Root()) {
		return nil
	}
	return []edit{s.edit(s.holder, raw, s.at())}
}

// members are the values of the slice that the element is.
func (s *spot) members() (out []fhir.Value) {
	if !strings.Contains(s.e.ID[strings.LastIndexByte(s.e.ID, '.')+1:], ":") {
		return nil
	}
	for _, v := range s.items() {
		if v.Kind() == fhir.Object && s.g.isMember(s.e.ID, v) {
			out = append(out, v)
		}
	}
	return out
}

func sliceTooMany(s *spot) []edit {
	in := s.members()
	if s.e.Max != 1 || len(in) != 1 || len(s.values) != 1 {
		return nil
	}
	return []edit{s.edit(s.values[0], withItem(s.values[0], string(in[0].Raw())), s.at())}
}

func sliceMissing(s *spot) []edit {
	in := s.members()
	if s.e.Min == 0 || len(in) == 0 || len(s.values) != 1 || len(in) == s.values[0].Len() && s.holder.Len() < 3 {
		return nil
	}
	if len(in) == s.values[0].Len() {
		return []edit{s.edit(s.holder, without(s.holder, s.name()), s.at())}
	}
	var rest []string
	for v := range s.values[0].All() {
		if !s.g.isMember(s.e.ID, v) {
			rest = append(rest, string(v.Raw()))
		}
	}
	return []edit{s.edit(s.values[0], "["+strings.Join(rest, ",")+"]", s.at())}
}
