package profiles

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

// sharper returns the class found and a hint, where the place tells more of them
// than the rule alone; each is "" otherwise.
func sharper(is *fhir.Issue, v fhir.Value) (found, hint string) {
	switch is.Rule {
	case ruleNHSNumber:
		return nhsNumberShape(v.Text())
	case ruleReference:
		return referenceShape(v.Text())
	case ruleSNOMED:
		return snomedShape(v.Text())
	case ruleUnresolved:
		if strings.HasPrefix(v.Text(), "urn:") {
			return "", "Add the entry with this fullUrl to the Bundle, or refer by Type/id."
		}
	}
	if strings.Contains(is.Rule, "#") {
		return "", profileHint(is)
	}
	return "", ""
}

// profileHint is for what a profile says of an element.
func profileHint(is *fhir.Issue) string {
	switch {
	case is.Found == "nothing":
		return "Add the element; the page of the profile says what it holds."
	case is.Code == fhir.Required:
		return "Add what is missing; the page of the profile says what it holds."
	}
	return "Make the element what the line of the profile asks for."
}

func nhsNumberShape(s string) (found, hint string) {
	switch bare := withoutSeparators(s); {
	case bare != s && fhir.NHSNumber(bare):
		return "ten digits with blanks or hyphens", "Send the ten digits without blanks or hyphens."
	case !isDigits(bare):
		return "other characters than digits", "Send digits only; a hospital or practice number goes under a system of its own."
	case len(bare) != 10:
		return digitsFound(len(bare)), "Check that all ten digits are there; spreadsheets drop digits of long numbers."
	}
	return "ten digits with a wrong check digit", ""
}

func digitsFound(n int) string {
	if n < 10 {
		return "fewer than ten digits"
	}
	return "more than ten digits"
}

func withoutSeparators(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\u00a0' {
			return -1
		}
		return r
	}, s)
}

func snomedShape(s string) (found, hint string) {
	switch {
	case strings.TrimSpace(s) != s:
		return "blanks around the code", "Take the blanks around the code away."
	case strings.ContainsAny(s, "eE.+") && !strings.ContainsAny(s, ":|"):
		return "a number in short form", "A spreadsheet has shortened the number; copy it again as text."
	case !isDigits(s):
		return "other characters than digits", "Give the code's number; words go into display."
	case len(s) < 6 || len(s) > 18:
		return "a number of another length", ""
	}
	return "a number with a wrong check digit", ""
}

func referenceShape(s string) (found, hint string) {
	typ, id, ok := strings.Cut(s, "/")
	switch {
	case strings.ContainsAny(s, " \t\r\n"):
		return "a string with white space", "Take the blanks out of the reference."
	case !ok && fhir.IsID(s):
		return "a string without a type", "Put the type before the id, as in Patient/1."
	case ok && fhir.IsID(id) && typ != "" && typ[0] >= 'a' && typ[0] <= 'z':
		return "a type in lower case", "Begin the type with a capital letter, as in Patient/1."
	}
	return "", ""
}

// kindHint says how a JSON value of the wrong kind becomes one of the right.
func kindHint(v fhir.Value, want fhir.Kind) string {
	switch have := v.Kind(); {
	case have == fhir.Null:
		return "Leave the member out; FHIR has no null values outside arrays of primitives."
	case have == fhir.Array:
		return "Take the square brackets away and give the one value."
	case have == fhir.String && want == fhir.Bool && (v.Text() == "true" || v.Text() == "false"),
		have == fhir.String && want == fhir.Number:
		return "Write it without quotation marks."
	case want == fhir.Bool:
		return "Write true or false, without quotation marks."
	case want == fhir.String && (have == fhir.Number || have == fhir.Bool):
		return "Put it in quotation marks."
	}
	return ""
}

// objectHint says how a value becomes the object that its type asks for.
func objectHint(v fhir.Value, typ string) string {
	if v.Kind() != fhir.String {
		return kindHint(v, fhir.Object)
	}
	switch typ {
	case "CodeableConcept":
		return `Write {"text": …} for words, or {"coding": [{"system": …, "code": …}]} for a code.`
	case "Reference":
		return `Write {"reference": "Type/id"}, or {"display": …} for words.`
	case "HumanName", "Address":
		return `Write {"text": …} where there are no parts.`
	case "Identifier":
		return `Write {"system": …, "value": …}.`
	case "Annotation":
		return `Write {"text": …}.`
	}
	return ""
}

// meant returns the element that a name was probably meant to be: the same but
// for letter case and separators, else one letter away; "" when there is none.
func meant(name string, t *definitions.Table) string {
	if len(name) > 64 {
		return ""
	}
	plain := squash(name)
	near := ""
	for i := range t.Slots {
		for _, m := range t.Slots[i].Members {
			switch {
			case squash(m.Name) == plain:
				return m.Name
			case near == "" && len(name) > 3 && oneEdit(strings.ToLower(name), strings.ToLower(m.Name)):
				near = m.Name
			}
		}
	}
	return near
}

func squash(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '-' {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// oneEdit reports whether one letter added, taken away, changed or swapped with
// its neighbour makes a into b.
func oneEdit(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	return i == len(a) || a[i+1:] == b[i+1:] ||
		i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}
