package snapshot

import (
	"strings"

	"trellis.example/fhir"
)

// Head reads a StructureDefinition without its elements.
func Head(sd fhir.Resource) *Structure {
	r := sd.Root()
	text := func(name string) string { return r.Get(name).Text() }
	s := &Structure{
		URL: text("url"), Version: text("version"), Name: text("name"), Title: text("title"),
		Type: text("type"), Base: text("baseDefinition"), Kind: text("kind"),
		Abstract: text("abstract") == "true", Constraint: text("derivation") == "constraint", Source: sd,
	}
	for c := range r.Get("context").Items() {
		s.Contexts = append(s.Contexts, Context{Type: c.Get("type").Text(), Expression: c.Get("expression").Text()})
	}
	for c := range r.Get("contextInvariant").Items() {
		s.ContextInvariants = append(s.ContextInvariants, c.Text())
	}
	return s
}

// usable refuses what is not a profile of a type of R4.
func (s *Structure) usable() error {
	text := ""
	switch {
	case s.Source.Type() != "StructureDefinition":
		text = "a StructureDefinition was expected"
	case s.URL == "":
		text = "a StructureDefinition must have a url"
	case s.Kind == "logical" || !s.Constraint:
		text = "only profiles (derivation constraint) of R4's own types are taken"
	}
	if text == "" {
		return nil
	}
	return &fhir.Error{Issues: []fhir.Issue{{Code: fhir.NotSupported, Rule: "snapshot", Profile: safe(s.Canonical()), Text: text}}}
}

// coreType returns the name in a canonical of R4's own definitions.
func coreType(canonical string) (string, bool) {
	name, ok := strings.CutPrefix(canonical, core)
	name, _, _ = strings.Cut(name, "|")
	return name, ok && name != ""
}
