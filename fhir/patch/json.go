package patch

import (
	"fmt"
	"slices"

	"trellis.example/fhir"
)

// An operation is one of a JSON Patch.
type operation struct {
	at         fhir.Value // in the patch
	op         string
	path, from pointer
	value      fhir.Value
}

// JSON applies a JSON Patch (RFC 6902) to a document and returns the result.
// Operations that cannot be read are all reported; the first that does not apply
// ends the patch.
func JSON(doc, ops []byte) ([]byte, error) {
	list, err := operations(ops)
	if err != nil {
		return nil, err
	}
	d, err := newDocument(doc)
	if err != nil {
		return nil, err
	}
	for _, o := range list {
		if err := d.apply(o); err != nil {
			return nil, o.place(err)
		}
	}
	return d.src, nil
}

// place adds the operation to faults that do not say where they are.
func (o operation) place(err error) error {
	e := fhir.AsError(err)
	issues := slices.Clone(e.Issues)
	for i := range issues {
		issues[i].Source = o.at.Pointer()
	}
	return &fhir.Error{Issues: issues, Status: e.Status}
}

func operations(b []byte) ([]operation, error) {
	t, err := fhir.Parse(b, fhir.MaxResource)
	if err != nil {
		return nil, err
	}
	root := t.Root()
	if root.Kind() != fhir.Array {
		return nil, fhir.Errorf(fhir.Structure, "a JSON Patch is an array of operations")
	}
	if root.Len() > MaxOperations {
		return nil, fhir.Errorf(fhir.TooLong, "a patch has at most %d operations", MaxOperations)
	}
	var r reader
	list := make([]operation, 0, root.Len())
	for v := range root.All() {
		list = append(list, r.operation(v))
	}
	return list, malformed(r.issues)
}

// malformed refuses a patch that cannot be read, whatever the codes of its
// faults (RFC 5789, section 2.2).
func malformed(issues []fhir.Issue) error {
	if len(issues) == 0 {
		return nil
	}
	return &fhir.Error{Issues: issues, Status: 400}
}

// A reader collects the faults of a JSON Patch.
type reader struct{ issues []fhir.Issue }

func (r *reader) fault(code fhir.Code, at fhir.Value, name, text string) {
	source := at.Pointer()
	if name != "" {
		source += "/" + name
	}
	r.issues = append(r.issues, fhir.Issue{Code: code, Source: source, Text: text})
}

func (r *reader) operation(v fhir.Value) operation {
	o := operation{at: v, op: v.Get("op").Text(), value: v.Get("value")}
	if v.Kind() != fhir.Object {
		r.fault(fhir.Structure, v, "", "an operation is an object with op and path")
		return o
	}
	needsValue, needsFrom := false, false
	switch o.op {
	case "add", "replace", "test":
		needsValue = true
	case "move", "copy":
		needsFrom = true
	case "remove":
	default:
		r.fault(fhir.Invalid, v, "op", "op is add, remove, replace, move, copy or test")
	}
	o.path = r.pointer(v, "path")
	if needsFrom {
		o.from = r.pointer(v, "from")
	}
	if needsValue && !o.value.Exists() {
		r.fault(fhir.Required, v, "value", "this operation needs a value")
	}
	return o
}

func (r *reader) pointer(v fhir.Value, name string) pointer {
	m := v.Get(name)
	if m.Kind() != fhir.String {
		r.fault(fhir.Required, v, name, "this operation needs "+name+", a JSON pointer")
		return nil
	}
	p, ok := parsePointer(m.Text())
	if !ok {
		r.fault(fhir.Invalid, v, name, name+` is a JSON pointer such as "/name/0/given": "~" is written "~0" and "/" in a name "~1"`)
	}
	return p
}

func (d *document) apply(o operation) error {
	switch o.op {
	case "add":
		return d.add(o.path, o.value.Raw())
	case "remove":
		return d.remove(o.path)
	case "replace":
		v, err := d.at(o.path, "path")
		if err != nil {
			return err
		}
		return d.replace(v, o.value.Raw())
	case "test":
		v, err := d.at(o.path, "path")
		if err == nil && !equal(v, o.value) {
			err = unfit("the value at path is not the value that this test expects")
		}
		return err
	}
	return d.transfer(o)
}

// transfer copies or moves a value.
func (d *document) transfer(o operation) error {
	v, err := d.at(o.from, "from")
	if err != nil {
		return err
	}
	raw := slices.Clone(v.Raw())
	if o.op == "move" {
		if o.path.within(o.from) {
			return unfit("a value cannot be moved into itself")
		}
		if len(o.from) == 0 {
			return nil // onto itself
		}
		if err := d.remove(o.from); err != nil {
			return err
		}
	}
	return d.add(o.path, raw)
}

func (d *document) at(p pointer, name string) (fhir.Value, error) {
	v := p.find(d.tree.Root())
	if !v.Exists() {
		return v, unfit("there is nothing at %s", name)
	}
	return v, nil
}

func (d *document) add(p pointer, raw []byte) error {
	if len(p) == 0 {
		return d.set(slices.Clone(raw))
	}
	owner, last := p[:len(p)-1].find(d.tree.Root()), p[len(p)-1]
	switch owner.Kind() {
	case fhir.Object:
		c := d.container(owner)
		c.put(last, raw)
		return d.replace(owner, c.bytes())
	case fhir.Array:
		i, ok := index(last, owner.Len())
		if last == "-" {
			i, ok = owner.Len(), true
		}
		if !ok {
			return unfit("path ends in a place of the array or just after its end: 0 to %d, or -", owner.Len())
		}
		c := d.container(owner)
		c.insert(i, raw)
		return d.replace(owner, c.bytes())
	}
	return unfit("there is no object or array that path could add to")
}

func (d *document) remove(p pointer) error {
	v, err := d.at(p, "path")
	if err != nil {
		return err
	}
	if len(p) == 0 {
		return unfit("the document itself cannot be removed")
	}
	owner := v.Parent()
	c := d.container(owner)
	if owner.Kind() == fhir.Object {
		c.put(v.Key(), nil)
	} else {
		i, _ := index(p[len(p)-1], owner.Len())
		c.remove(i)
	}
	return d.replace(owner, c.bytes())
}

// unfit is the fault of a patch that is well formed but does not fit the
// document.
func unfit(format string, args ...any) error {
	return fhir.Errorf(fhir.Processing, "%s", fmt.Sprintf(format, args...))
}
