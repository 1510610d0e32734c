package mutate

import (
	"strconv"

	"trellis.example/fhir"
)

// documentKinds break what holds for a document as a whole.
func documentKinds() []kind {
	return []kind{
		containing("contained resource that nothing refers to", `{"resourceType":"Basic","id":"not-used-1","code":{"text":"x"}}`, "", "dom-3", true),
		containing("contained resource in a contained one",
			`{"resourceType":"Basic","id":"outer-1","code":{"text":"x"},"contained":[{"resourceType":"Basic","id":"inner-1","code":{"text":"x"}}]}`, ".contained[0]", "dom-2", false),
		containing("contained resource with a version", `{"resourceType":"Basic","id":"outer-1","meta":{"versionId":"1"},"code":{"text":"x"}}`, ".meta", "dom-4", false),
		containing("contained resource of no type", `{"resourceType":"Nonsense","id":"outer-1"}`, ".resourceType", "type", false),
		{name: "unknown modifier extension", document: modifier},
		{name: "fullUrl of another resource", document: fullURLs(`"https://example.org/fhir/TestReport/1"`)},
		{name: "relative fullUrl", document: fullURLs(`"Patient/1"`)},
		{name: "fullUrl with half a UUID", document: fullURLs(`"urn:uuid:1234"`)},
		{name: "two entries with one fullUrl", document: twice},
		{name: "total of a Bundle that is no search", document: total},
		{name: "message without its header", document: headless},
		{name: "linkId used twice", document: linkTwice},
	}
}

// containing adds a contained resource.
func containing(name, raw, below, rule string, unsaid bool) kind {
	return kind{name: name, document: func(g *Generator, root fhir.Value) []edit {
		table := g.defs.Table(root.Get("resourceType").Text())
		if table.Slot("contained") == nil {
			return nil
		}
		list := root.Get("contained")
		e := edit{at: root, with: with(root, "contained", "["+raw+"]"), path: root.Path() + ".contained[" + strconv.Itoa(list.Len()) + "]" + below, rules: []string{rule}, unsaid: unsaid}
		if list.Exists() {
			e.at, e.with = list, withItem(list, raw)
		}
		return []edit{e}
	}}
}

func modifier(g *Generator, root fhir.Value) []edit {
	const raw = `{"url":"https://example.org/fhir/not-known","valueString":"x"}`
	if g.defs.Table(root.Get("resourceType").Text()).Slot("modifierExtension") == nil || root.Get("modifierExtension").Exists() {
		return nil
	}
	return []edit{{at: root, with: with(root, "modifierExtension", "["+raw+"]"), path: root.Path() + ".modifierExtension[0]",
		rules: []string{"modifier-extension"}, unsaid: true, strict: true}}
}

func isBundle(root fhir.Value) bool { return root.Get("resourceType").Text() == "Bundle" }

func fullURLs(raw string) func(g *Generator, root fhir.Value) []edit {
	return func(_ *Generator, root fhir.Value) (out []edit) {
		if !isBundle(root) {
			return nil
		}
		for e := range root.Get("entry").All() {
			if full := e.Get("fullUrl"); full.Exists() && e.Get("resource").Exists() {
				out = append(out, edit{at: full, with: raw, path: full.Path(), rules: []string{"full-url"}, unsaid: true})
			}
		}
		return out
	}
}

func twice(_ *Generator, root fhir.Value) []edit {
	entries := root.Get("entry")
	first := entries.First()
	if !isBundle(root) || root.Get("type").Text() == "history" || !first.Get("fullUrl").Exists() || first.At("resource", "meta", "versionId").Exists() {
		return nil
	}
	return []edit{{at: entries, with: withItem(entries, string(first.Raw())), path: "Bundle", rules: []string{"bdl-7"}, unsaid: true}}
}

func total(_ *Generator, root fhir.Value) []edit {
	typ := root.Get("type").Text()
	if !isBundle(root) || typ == "searchset" || typ == "history" || typ == "" || root.Get("total").Exists() {
		return nil
	}
	return []edit{{at: root, with: with(root, "total", "1"), path: "Bundle", rules: []string{"bdl-1"}}}
}

func headless(_ *Generator, root fhir.Value) []edit {
	entries := root.Get("entry")
	if !isBundle(root) || root.Get("type").Text() != "message" || entries.Len() < 2 {
		return nil
	}
	list := "["
	for e := entries.First().Next(); e.Exists(); e = e.Next() {
		if len(list) > 1 {
			list += ","
		}
		list += string(e.Raw())
	}
	return []edit{{at: entries, with: list + "]", path: "Bundle", rules: []string{"bdl-12"}, unsaid: true}}
}

func linkTwice(_ *Generator, root fhir.Value) []edit {
	items := root.Get("item")
	if root.Get("resourceType").Text() != "Questionnaire" || items.Len() == 0 {
		return nil
	}
	return []edit{{at: items, with: withItem(items, string(items.First().Raw())), path: "Questionnaire", rules: []string{"que-2"}, unsaid: true}}
}
