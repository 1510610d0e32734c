package mutate

import (
	"slices"
	"strings"

	"trellis.example/fhir"
)

// instead replaces an element of a type as a whole; below is where, from it, the
// fault must be reported.
func instead(name, typ, raw, below, rule string, change func(e *edit)) kind {
	return kind{name: name, value: func(p *place) []edit {
		if !p.is(typ) || p.v.Kind() != fhir.Object {
			return nil
		}
		e := edit{at: p.v, with: raw, path: p.v.Path() + below, rules: ruled(rule)}
		if change != nil {
			change(&e)
		}
		return []edit{e}
	}}
}

func notSaid(e *edit) { e.unsaid = true }
func isStrict(e *edit) {
	e.unsaid, e.strict = true, true
}

// elementKinds break elements of certain types.
func elementKinds() []kind {
	return []kind{
		targetKind("reference to another type", `{"reference":"TestReport/1"}`, false),
		targetKind("absolute reference to another type", `{"reference":"https://example.org/fhir/TestReport/1"}`, true),
		targetKind("reference that says another type", `{"type":"TestReport","display":"x"}`, true),
		instead("reference to a type that is none", "Reference", `{"reference":"Nonsense/1"}`, ".reference", "reference", notSaid),
		instead("reference that is no address", "Reference", `{"reference":"nowhere"}`, ".reference", "reference", nil),
		instead("reference with a blank", "Reference", `{"reference":"Patient/a b"}`, ".reference", "", nil),
		instead("reference to a contained resource that is not there", "Reference", `{"reference":"#not-there-1"}`, ".reference", "ref-1", notSaid),
		{name: "extension with a value and extensions", value: extensionBoth},
		{name: "extension without either", value: extensionNeither},
		{name: "extension of ours with a value of another type", value: otherExtensionValue},
		instead("wrong NHS number", "Identifier", `{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9434765918"}`, ".value", "nhs-number", notSaid),
		instead("wrong SNOMED CT check digit", "Coding", `{"system":"http://snomed.info/sct","code":"73211008"}`, ".code", "snomed", isStrict),
		instead("quantity with a code and no system", "Quantity", `{"value":1,"code":"mg"}`, "", "qty-3", nil),
		{name: "comparator in a simple quantity", value: comparator},
		instead("end before start", "Period", `{"start":"2023-02-02","end":"2023-02-01"}`, "", "per-1", notSaid),
		instead("attachment without a media type", "Attachment", `{"data":"YWJj"}`, "", "att-1", nil),
		instead("contact without a system", "ContactPoint", `{"value":"x"}`, "", "cpt-2", nil),
	}
}

func targetKind(name, raw string, unsaid bool) kind {
	return kind{name: name, value: func(p *place) []edit {
		targets := p.m.Type.Targets
		if !p.is("Reference") || p.v.Kind() != fhir.Object || len(targets) == 0 || slices.Contains(targets, "Resource") || slices.Contains(targets, "TestReport") {
			return nil
		}
		return []edit{{at: p.v, with: raw, path: p.v.Path(), rules: []string{"reference-target"}, unsaid: unsaid}}
	}}
}

func extensionBoth(p *place) []edit {
	if !p.is("Extension") || p.v.Get("extension").Exists() || p.v.Kind() != fhir.Object {
		return nil
	}
	return []edit{{at: p.v, with: with(p.v, "extension", `[{"url":"http://example.org/x","valueString":"x"}]`), path: p.v.Path(), rules: []string{"ext-1"}}}
}

func extensionNeither(p *place) []edit {
	if !p.is("Extension") || p.v.Kind() != fhir.Object {
		return nil
	}
	raw := rebuild(p.v, func(c fhir.Value) string {
		if c.Key() == "extension" || strings.HasPrefix(strings.TrimPrefix(c.Key(), "_"), "value") {
			return ""
		}
		return member(c.Key(), string(c.Raw()))
	})
	return []edit{{at: p.v, with: raw, path: p.v.Path(), rules: []string{"ext-1"}}}
}

// otherExtensionValue puts a type that no extension of ours has.
func otherExtensionValue(p *place) []edit {
	url := p.v.Get("url").Text()
	if !p.is("Extension") || !strings.HasPrefix(url, "https://trellis.example/fhir/StructureDefinition/ext-") || p.v.Get("extension").Exists() {
		return nil
	}
	return []edit{{at: p.v, with: `{"url":` + quoted(url) + `,"valueBase64Binary":"YWJj"}`, path: p.v.Path() + ".valueBase64Binary", unsaid: true}}
}

func comparator(p *place) []edit {
	if !slices.Contains(p.m.Type.Profiles, "SimpleQuantity") || p.v.Kind() != fhir.Object || p.v.Get("comparator").Exists() {
		return nil
	}
	return []edit{{at: p.v, with: with(p.v, "comparator", `"<"`), path: p.v.Path(), rules: []string{"sqty-1"}}}
}

// ruled lists a rule; any, when it is "".
func ruled(rule string) []string {
	if rule == "" {
		return nil
	}
	return []string{rule}
}
