package oruk

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	stdjson "encoding/json"
	"maps"
	"slices"
)

// residueName is the member that carries the residue through the map.
const residueName = "x-trellis-residue"

// A residue is what a document says beyond what writing the resource gives.
type residue struct {
	Format string `json:"format"`
	// Of is a hash of what writing the resource gave when it was read: by it a
	// resource that has changed since is known.
	Of   string `json:"of"`
	Keep []keep `json:"keep,omitempty"`

	foreign bool // written by another format, and not to be applied
}

// A keep is one place of the document. At holds member names, and for an
// element of an array the element's id in an array of one. Was is what writing
// the resource gives there, Is what the document said; nil is nothing. Order,
// instead, are the ids of an array's elements in the document's order.
type keep struct {
	At    []any              `json:"at"`
	Was   stdjson.RawMessage `json:"was,omitempty"`
	Is    stdjson.RawMessage `json:"is,omitempty"`
	Order []string           `json:"order,omitempty"`
}

// text is the residue as the extension keeps it.
func (r residue) text() string { return string(encode(r)) }

// hashOf identifies a document.
func hashOf(doc map[string]any) string {
	sum := sha256.Sum256(encode(doc))
	return hex.EncodeToString(sum[:8])
}

func encode(v any) []byte {
	var b bytes.Buffer
	e := stdjson.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // values that were JSON: never fails
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func raw(v any) stdjson.RawMessage { return encode(v) }

// decode reads JSON with numbers as they are written.
func decode(b []byte) (any, error) {
	d := stdjson.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

// difference lists what makes got into want.
func difference(got map[string]any, want any) []keep {
	var d differ
	d.objects(nil, got, want)
	return d.out
}

type differ struct{ out []keep }

func (d *differ) objects(at []any, got map[string]any, want any) {
	w, ok := want.(map[string]any)
	if !ok {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(w)) {
		g, there := got[k]
		d.values(append(slices.Clone(at), k), g, there, w[k])
	}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if _, there := w[k]; !there {
			d.out = append(d.out, keep{At: append(slices.Clone(at), k), Was: raw(got[k])})
		}
	}
}

func (d *differ) values(at []any, got any, there bool, want any) {
	if !there {
		d.out = append(d.out, keep{At: at, Is: raw(want)})
		return
	}
	g, gotObject := got.(map[string]any)
	_, wantObject := want.(map[string]any)
	gl, wl := rows(got), rows(want)
	switch {
	case gotObject && wantObject:
		d.objects(at, g, want)
	case gl != nil && wl != nil:
		d.lists(at, gl, wl, got.([]any), want.([]any))
	case !bytes.Equal(encode(got), encode(want)):
		d.out = append(d.out, keep{At: at, Was: raw(got), Is: raw(want)})
	}
}

// lists compares two arrays whose elements have ids.
func (d *differ) lists(at []any, got, want map[string]map[string]any, gotList, wantList []any) {
	var after []string // the order that applying the list without an order gives
	for _, e := range gotList {
		id := idOf(e)
		if _, still := want[id]; still {
			after = append(after, id)
		} else {
			d.out = append(d.out, keep{At: append(slices.Clone(at), []any{id}), Was: raw(e)})
		}
	}
	var order []string
	for _, e := range wantList {
		id := idOf(e)
		order = append(order, id)
		g, there := got[id]
		if !there {
			after = append(after, id)
			d.out = append(d.out, keep{At: append(slices.Clone(at), []any{id}), Is: raw(e)})
			continue
		}
		d.objects(append(slices.Clone(at), []any{id}), g, e)
	}
	if !slices.Equal(after, order) {
		d.out = append(d.out, keep{At: at, Order: order})
	}
}

// rows returns the elements of an array by id; nil when it is none, or when its
// elements cannot be told apart by id.
func rows(v any) map[string]map[string]any {
	list, ok := v.([]any)
	if !ok {
		return nil
	}
	out := make(map[string]map[string]any, len(list))
	for _, e := range list {
		o, ok := e.(map[string]any)
		id := idOf(e)
		if _, twice := out[id]; !ok || id == "" || twice {
			return nil
		}
		out[id] = o
	}
	return out
}

func idOf(e any) string {
	o, _ := e.(map[string]any)
	id, _ := o["id"].(string)
	return id
}

// readResidue takes the residue out of a document that the map wrote.
func readResidue(doc map[string]any, format string) residue {
	text, _ := doc[residueName].(string)
	delete(doc, residueName)
	if text == "" {
		return residue{}
	}
	var r residue
	d := stdjson.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	if err := d.Decode(&r); err != nil || r.Format != format {
		return residue{foreign: true}
	}
	return r
}

// apply puts what the document said into doc, where the resource still says
// what it said then. It returns the places that it knew of, and those where the
// resource says something else.
func (r residue) apply(doc map[string]any) (touched map[string]bool, stale [][]any) {
	touched = map[string]bool{}
	for _, k := range r.Keep {
		touched[placeOf(k.At)] = true
		if !k.apply(doc) {
			stale = append(stale, k.At)
		}
	}
	return touched, stale
}

func placeOf(at []any) string { return string(encode(at)) }

// apply reports false when the resource says something else. A place whose row
// is gone is passed over: the resource dropped the row.
func (k keep) apply(doc map[string]any) bool {
	if len(k.At) == 0 {
		return true
	}
	parent, last := any(doc), k.At[len(k.At)-1]
	set := func(any) {}
	for _, step := range k.At[:len(k.At)-1] {
		if parent, set = descend(parent, step, set); parent == nil {
			return true
		}
	}
	if k.Order != nil {
		list, put := descend(parent, last, set)
		reorder(list, k.Order, put)
		return true
	}
	now, put := descend(parent, last, set)
	if !same(now, k.Was) {
		return now != nil && same(now, k.Is) // it says by itself what the document said
	}
	put(k.value())
	return true
}

// same compares what writing the resource gave, which holds no null, with a
// kept value.
func same(now any, kept stdjson.RawMessage) bool {
	if now == nil || kept == nil {
		return now == nil && kept == nil
	}
	return bytes.Equal(encode(now), compact(kept))
}

// compact gives a kept value the spelling of encode.
func compact(m stdjson.RawMessage) []byte {
	v, err := decode(m)
	if err != nil {
		return nil
	}
	return encode(v)
}

// removed marks a place that is to be taken away.
type removed struct{}

func (k keep) value() any {
	if k.Is == nil {
		return removed{}
	}
	v, err := decode(k.Is)
	if err != nil {
		return removed{}
	}
	return v
}

// descend returns what stands at a step below parent, nil for nothing, and how
// to put something else there. set replaces parent where it stands.
func descend(parent, step any, set func(any)) (any, func(any)) {
	switch s := step.(type) {
	case string:
		o, ok := parent.(map[string]any)
		if !ok {
			return nil, func(any) {}
		}
		return o[s], func(v any) {
			if _, gone := v.(removed); gone {
				delete(o, s)
				return
			}
			o[s] = v
		}
	case []any:
		return element(parent, s, set)
	}
	return nil, func(any) {}
}

func element(parent any, step []any, set func(any)) (any, func(any)) {
	list, ok := parent.([]any)
	if !ok || len(step) != 1 {
		return nil, func(any) {}
	}
	i := slices.IndexFunc(list, func(e any) bool { return idOf(e) == step[0] })
	if i < 0 {
		return nil, func(v any) {
			if _, gone := v.(removed); !gone {
				set(append(list, v))
			}
		}
	}
	return list[i], func(v any) {
		if _, gone := v.(removed); gone {
			set(slices.Delete(slices.Clone(list), i, i+1))
			return
		}
		list[i] = v
	}
}

// reorder sorts the elements that the order names; others follow.
func reorder(v any, order []string, put func(any)) {
	list, ok := v.([]any)
	if !ok {
		return
	}
	place := func(e any) int {
		if i := slices.Index(order, idOf(e)); i >= 0 {
			return i
		}
		return len(order)
	}
	out := slices.Clone(list)
	slices.SortStableFunc(out, func(a, b any) int { return place(a) - place(b) })
	put(out)
}
