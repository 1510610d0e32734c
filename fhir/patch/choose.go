package patch

import (
	"errors"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/path"
)

// maxPath is the longest path, in bytes.
const maxPath = 2048

// selectable names the functions that a path may call: those that choose among
// elements (R4 fhirpatch, "simple" paths) and those their criteria need.
var selectable = map[string]bool{
	"where": true, "first": true, "last": true, "ofType": true, "as": true, "extension": true,
	"exists": true, "empty": true, "not": true, "hasValue": true, "startsWith": true, "endsWith": true,
}

// choose returns what the step's path selects.
func (d *document) choose(s step) ([]path.Selected, error) {
	expr := s.text("path")
	if len(expr) > maxPath {
		return nil, s.fault("path", "the path is too long")
	}
	if !simple(expr) {
		return nil, s.fault("path", "a path is made of element names, indexes, where(), first(), last(), ofType() and extension()")
	}
	root := d.tree.Root()
	p, err := path.Compile(expr, root.Get("resourceType").Text())
	if err != nil {
		return nil, s.fault("path", "the path is not a FHIRPath of element names, indexes, where(), first(), last(), ofType() and extension()")
	}
	if p.Empty() {
		return nil, s.fault("path", "the path belongs to another resource type")
	}
	sel, err := p.Select(root, &d.visits)
	switch {
	case errors.Is(err, path.ErrComputed):
		return nil, s.fault("path", "the path computes a value; it must select elements")
	case err != nil:
		return nil, fhir.Wrap(err, fhir.TooCostly, "the paths of the patch are too costly for this resource; name fewer or more precise ones")
	}
	return sel, nil
}

// simple reports whether a path calls no function but those that select, and
// uses no variable.
func simple(expr string) bool {
	word := ""
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		switch {
		case c == '\'' || c == '`':
			n := literal(expr[i:])
			if n == 0 {
				return false
			}
			i, word = i+n-1, ""
		case c == '%' || c == '|':
			return false
		case c == '(':
			if word != "" && !selectable[word] {
				return false
			}
			word = ""
		case c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z':
			word += expr[i : i+1]
		case c != ' ':
			word = ""
		}
	}
	return true
}

// literal is the length of the quoted text that s begins with; 0 when it does
// not end.
func literal(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return 0
}

// one returns the only element that the step's path selects; none is reported
// only when the operation may find nothing.
func (d *document) one(s step, mayLack bool) (sel path.Selected, found bool, err error) {
	list, err := d.choose(s)
	switch {
	case err != nil:
		return sel, false, err
	case len(list) == 0 && mayLack:
		return sel, false, nil
	case len(list) == 0:
		return sel, false, s.fault("path", "the path selects nothing in the resource; it must select one element")
	case len(list) > 1:
		return sel, false, s.fault("path", "the path selects more than one element; add an index or where()")
	}
	return list[0], true, nil
}

// collection returns the list that the step's path selects as a whole.
func (d *document) collection(s step) (place, error) {
	list, err := d.choose(s)
	if err != nil {
		return place{}, err
	}
	if len(list) == 0 {
		return place{}, s.fault("path", "the path selects nothing in the resource; it must select a list, and add begins one")
	}
	whole := placeOf(list[0].Value)
	for _, e := range list[1:] {
		if e.Value.Parent().Index() != list[0].Value.Parent().Index() {
			return whole, s.fault("path", "the path selects elements of more than one list")
		}
	}
	if whole.index < 0 {
		return whole, s.fault("path", "the path must select a list")
	}
	if p := strings.TrimSpace(s.text("path")); strings.HasSuffix(p, "]") || strings.HasSuffix(p, ")") {
		return whole, s.fault("path", "the path must select a list as a whole")
	}
	return whole, nil
}
