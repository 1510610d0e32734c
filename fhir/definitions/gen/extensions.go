package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// extensionsText holds the extensions that R4 defines.
func extensionsText(src *source) []byte {
	w := &writer{src: src}
	w.line("trellis-extensions", "1", "4.0.1")
	var list []structure
	for _, sd := range src.structures {
		if sd.Type == "Extension" && sd.Derivation == "constraint" {
			list = append(list, sd)
		}
	}
	slices.SortFunc(list, func(a, b structure) int { return cmp.Compare(a.URL, b.URL) })
	for _, sd := range list {
		x := extensionWriter{w: w, byID: map[string]element{}, elements: sd.Snapshot.Element}
		for _, e := range sd.Snapshot.Element {
			x.byID[e.ID] = e
		}
		x.part("Extension", sd.URL, 0)
		for _, c := range sd.Context {
			w.line("c", c.Type, c.Expression)
		}
		for _, i := range sd.ContextInvariant {
			w.line("i", i)
		}
		x.parts("Extension", 1)
	}
	return w.b.Bytes()
}

// An extensionWriter writes one extension from its snapshot.
type extensionWriter struct {
	w        *writer
	byID     map[string]element
	elements []element
}

func (x extensionWriter) part(id, url string, depth int) {
	e, modifier := x.byID[id], ""
	if e.IsModifier {
		modifier = "m"
	}
	v, types, b := x.byID[id+".value[x]"], "", [3]string{}
	if v.Max != "0" {
		types, b = typeList(v.Type), bindingOf(v.Binding)
	}
	x.w.line("X", strconv.Itoa(depth), url, strconv.Itoa(e.Min), e.Max, modifier, types, b[0], b[1], b[2])
}

// parts follows the slices even below an extension element of cardinality 0..0:
// R4 publishes codesystem-history that way.
func (x extensionWriter) parts(id string, depth int) {
	for _, e := range x.elements {
		name, ok := strings.CutPrefix(e.ID, id+".extension:")
		if !ok || strings.ContainsAny(name, ".:") {
			continue
		}
		x.part(e.ID, cmp.Or(x.byID[e.ID+".url"].FixedURI, name), depth)
		x.parts(e.ID, depth+1)
	}
}
