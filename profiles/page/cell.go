package page

import (
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/profiles/snapshot"
)

// place is the id of an element below its type.
func place(e *snapshot.Element) string {
	_, rest, ok := strings.Cut(e.ID, ".")
	if !ok {
		return e.ID
	}
	return rest
}

func cardinality(e *snapshot.Element) string {
	limit := `\*`
	if e.Max >= 0 {
		limit = strconv.Itoa(e.Max)
	}
	return strconv.Itoa(e.Min) + ".." + limit
}

// manyTypes is how many types are listed before they are only counted.
const manyTypes = 8

// content says of which type an element is, what it refers to and which codes it
// takes.
func (w *writer) content(e *snapshot.Element) string {
	if e.Max == 0 {
		return "not used"
	}
	var types []string
	for _, t := range e.Types {
		types = append(types, w.typeName(t))
	}
	out := strings.Join(types, " or ")
	if len(types) > manyTypes {
		out = strconv.Itoa(len(types)) + " types"
	}
	if b := e.Binding; b != nil && b.ValueSet != "" {
		out += "; " + codes(b.Strength, w.valueSet(b.ValueSet))
	}
	return out
}

// codes says in words how strongly a value set binds.
func codes(strength, set string) string {
	switch strength {
	case "required":
		return "codes only of " + set
	case "extensible":
		return "codes of " + set + " where one fits"
	case "preferred":
		return "preferably codes of " + set
	}
	return "codes such as those of " + set
}

func (w *writer) typeName(t snapshot.Type) string {
	list, joined := t.Profiles, code(t.Code)
	if t.Code == "BackboneElement" {
		joined = "a group"
	}
	if len(t.TargetProfiles) > 0 {
		list, joined = t.TargetProfiles, joined+" to"
	}
	var names []string
	for _, p := range list {
		names = append(names, w.named(p))
	}
	if len(names) == 0 {
		return joined
	}
	return joined + " " + strings.Join(names, ", ")
}

func (w *writer) valueSet(canonical string) string {
	url := fhir.ParseCanonical(canonical).URL
	name := url[strings.LastIndexByte(url, '/')+1:]
	address := url
	if strings.HasPrefix(url, ourBase) && !w.narrative {
		address = "../../profiles/data/valuesets/ValueSet-" + name + ".json"
	}
	if safeAddress(address) && isWord(name) {
		return "[" + plain(name) + "](" + address + ")"
	}
	return code(canonical)
}

// says gives an element's description and the values it must have.
func (w *writer) says(e *snapshot.Element) string {
	var out []string
	text := e.Short
	if d := e.Diff.Get("definition").Text(); d != "" && len(d) <= 400 {
		text = d
	}
	if text != "" {
		out = append(out, sentence(plain(text)))
	}
	if c := e.Diff.Get("comment").Text(); c != "" {
		out = append(out, sentence(plain(c)))
	}
	switch {
	case e.Fixed.Exists():
		out = append(out, "Always "+value(e.Fixed)+".")
	case e.Pattern.Exists():
		out = append(out, "Holds "+value(e.Pattern)+".")
	}
	if e.MinValue.Exists() {
		out = append(out, "Not below "+value(e.MinValue)+".")
	}
	if e.MaxValue.Exists() {
		out = append(out, "Not above "+value(e.MaxValue)+".")
	}
	if e.MaxLength > 0 {
		out = append(out, "At most "+strconv.Itoa(e.MaxLength)+" characters.")
	}
	return strings.Join(out, " ")
}

func sentence(s string) string {
	if s == "" || strings.ContainsRune(".!?", rune(s[len(s)-1])) {
		return s
	}
	return s + "."
}

// value writes a fixed value or a pattern in a few words.
func value(v fhir.Value) string {
	switch v.Kind() {
	case fhir.Object:
		if codings := v.Get("coding"); codings.Exists() && v.Len() == 1 {
			return value(codings)
		}
		if c := v.Get("code"); c.Exists() && v.Get("system").Exists() {
			return code(c.Text()) + " of " + code(v.Get("system").Text())
		}
		return code(string(v.Raw()))
	case fhir.Array:
		var out []string
		for x := range v.All() {
			out = append(out, value(x))
		}
		return strings.Join(out, " and ")
	}
	return code(v.Text())
}
