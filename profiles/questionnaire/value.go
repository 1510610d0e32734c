package questionnaire

import (
	"strings"

	"trellis.example/fhir"
)

// A kind is the type of an answer: what follows "value" in its member's name.
type kind uint8

const (
	none kind = iota
	boolean
	decimal
	integer
	date
	dateTime
	clock
	text
	uri
	attachment
	coding
	quantity
	reference
)

var kindNames = [...]string{
	boolean: "Boolean", decimal: "Decimal", integer: "Integer", date: "Date", dateTime: "DateTime", clock: "Time",
	text: "String", uri: "Uri", attachment: "Attachment", coding: "Coding", quantity: "Quantity", reference: "Reference",
}

// A kinds is a set of kind.
type kinds uint16

func (s kinds) has(k kind) bool { return s&(1<<k) != 0 }

func (s kinds) with(k kind) kinds { return s | 1<<k }

// String lists the members that the kinds may stand in, such as "valueCoding or
// valueString".
func (s kinds) String() string {
	var names []string
	for k := boolean; k <= reference; k++ {
		if s.has(k) {
			names = append(names, "value"+kindNames[k])
		}
	}
	return strings.Join(names, " or ")
}

// typed returns the value of a choice of types, value[x], answer[x] or initial[x],
// with its kind; none when there is no value or one of another type.
func typed(v fhir.Value, prefix string) (fhir.Value, kind) {
	for c := v.First(); c.Exists(); c = c.Next() {
		if suffix, ok := strings.CutPrefix(c.Key(), prefix); ok {
			if k := kindOf(suffix); k != none {
				return c, k
			}
		}
	}
	return fhir.Value{}, none
}

func kindOf(suffix string) kind {
	for k := boolean; k <= reference; k++ {
		if kindNames[k] == suffix {
			return k
		}
	}
	return none
}

// fits reports whether a value has the JSON shape of its kind; base R4 reports
// one that has not, and comparing it would say nothing.
func (k kind) fits(v fhir.Value) bool {
	switch k {
	case boolean:
		return v.Kind() == fhir.Bool
	case decimal, integer:
		return v.Kind() == fhir.Number
	case attachment, coding, quantity, reference:
		return v.Kind() == fhir.Object
	case none:
		return false
	}
	return v.Kind() == fhir.String
}

// first returns the first element of an array; base R4 reports what is none.
func first(v fhir.Value) fhir.Value {
	if v.Kind() != fhir.Array {
		return fhir.Value{}
	}
	return v.First()
}

// class says in words what an answer is, for Found.
func (k kind) class() string {
	if k == none {
		return "no value"
	}
	return "value" + kindNames[k]
}

// An itemType is the type of an item of a Questionnaire.
type itemType uint8

const (
	unknownType itemType = iota
	group
	display
	question // any of the types below
)

// answerKinds are what the answers of each type of question may be.
var answerKinds = map[string]kinds{
	"boolean":     1 << boolean,
	"decimal":     1 << decimal,
	"integer":     1 << integer,
	"date":        1 << date,
	"dateTime":    1 << dateTime,
	"time":        1 << clock,
	"string":      1 << text,
	"text":        1 << text,
	"url":         1 << uri,
	"choice":      1 << coding,
	"open-choice": 1<<coding | 1<<text,
	"attachment":  1 << attachment,
	"reference":   1 << reference,
	"quantity":    1 << quantity,
}

// optionKinds are what the options of each type of question may be; a type that
// is not here has none.
var optionKinds = map[string]kinds{
	"integer":     1 << integer,
	"decimal":     1 << integer,
	"date":        1 << date,
	"dateTime":    1 << date,
	"time":        1 << clock,
	"string":      1 << text,
	"choice":      1<<coding | 1<<integer | 1<<date | 1<<clock | 1<<text | 1<<reference,
	"open-choice": 1<<coding | 1<<integer | 1<<date | 1<<clock | 1<<text | 1<<reference,
}

func typeOf(code string) itemType {
	switch {
	case code == "group":
		return group
	case code == "display":
		return display
	case answerKinds[code] != 0:
		return question
	}
	return unknownType
}
