package mapping

import (
	"slices"
	"strings"

	"trellis.example/fhir"
)

// A tnode is a node of an instance's template: the members that the map may
// write, in the order in which the map names them.
type tnode struct {
	key     string
	keyJSON []byte // `"key":`
	parent  *tnode
	array   bool // its kids are elements
	step    fstep
	isElem  bool
	group   int // of a [*] element: what it repeats over
	kids    []*tnode
	rules   []*rule // of a leaf
	index   int     // of a leaf: its place among the region's values
	fed     bool    // something beneath comes from the document or is a reference
	feeds   []int   // the places among the region's values from which; nil when a [*] lies beneath
	marks   []mark  // of a named element: how it is recognised
}

// A mark is a constant by which an element is recognised on the way back.
type mark struct {
	steps  []fstep
	text   string
	prefix bool
	// loose is how many steps lead to the object that holds the constant, when
	// the document may have left that object out; 0 when it is always there.
	loose int
}

func (n *tnode) member(key string) *tnode {
	for _, k := range n.kids {
		if k.key == key {
			return k
		}
	}
	k := &tnode{key: key, keyJSON: append(fhir.AppendString(nil, key), ':'), parent: n}
	n.kids = append(n.kids, k)
	return k
}

// element returns the array's element for a step, or nil when one of the same
// name repeats over another group.
func (n *tnode) element(s fstep, group int) *tnode {
	for _, k := range n.kids {
		if k.step.slot == s.slot && k.step.star == s.star {
			if k.group != group {
				return nil
			}
			return k
		}
	}
	k := &tnode{parent: n, step: s, isElem: true, group: group}
	n.kids = append(n.kids, k)
	return k
}

// parentIsLeaf reports whether some rule writes a node above n.
func (n *tnode) parentIsLeaf() bool {
	for p := n.parent; p != nil; p = p.parent {
		if len(p.rules) > 0 {
			return true
		}
	}
	return false
}

// slotName is the name of a named element; "" for positions and plain [*].
func (n *tnode) slotName() string {
	if !n.isElem || n.step.positional() {
		return ""
	}
	return n.step.slot
}

// finish computes what is fed and how elements are recognised.
func (n *tnode) finish() {
	for _, r := range n.rules {
		n.fed = n.fed || !r.isConst
	}
	for _, k := range n.kids {
		k.finish()
		n.fed = n.fed || k.fed
	}
	if n.isElem && !n.step.positional() {
		n.collect(nil, 0, &n.marks)
	}
	if n.fed && !n.starred() && !(n.array && slices.ContainsFunc(n.kids, func(k *tnode) bool { return !k.fed })) {
		n.feeds = n.gather(nil)
	}
}

// starred reports whether a [*] lies beneath.
func (n *tnode) starred() bool {
	return slices.ContainsFunc(n.kids, func(k *tnode) bool { return k.isElem && k.step.star || k.starred() })
}

// gather lists the fed leaves beneath.
func (n *tnode) gather(out []int) []int {
	if len(n.rules) > 0 && n.fed {
		return append(out, n.index)
	}
	for _, k := range n.kids {
		out = k.gather(out)
	}
	return out
}

// collect gathers the constants beneath an element that always come with it.
func (n *tnode) collect(steps []fstep, loose int, out *[]mark) {
	if n.fed && !n.array && len(n.rules) == 0 {
		loose = len(steps)
	}
	for _, r := range n.rules {
		switch {
		case r.isConst && r == n.rules[0] && n.sameConst():
			*out = append(*out, mark{steps: steps, text: r.constText, loose: loose})
		case r.spec.Type == "headed":
			*out = append(*out, mark{steps: steps, text: r.constText + ": ", prefix: true})
		case r.spec.Type == "prefixed":
			*out = append(*out, mark{steps: steps, text: r.constText, prefix: true})
		case r.conv.object && r.table.spec.System != "" && !r.table.spec.Open && r.dir == inward|outward:
			*out = append(*out, mark{steps: append(steps[:len(steps):len(steps)], fstep{key: "system"}), text: r.table.spec.System, loose: len(steps)})
		}
	}
	for _, k := range n.kids {
		if !k.array {
			k.collect(append(steps[:len(steps):len(steps)], fstep{key: k.key}), loose, out)
			continue
		}
		for _, e := range k.kids {
			if e.step.positional() {
				s := e.step
				s.key = k.key
				e.collect(append(steps[:len(steps):len(steps)], s), loose, out)
			}
		}
	}
}

// sameConst reports whether the leaf always holds the same constant, whichever
// of its rules wrote it.
func (n *tnode) sameConst() bool {
	if len(n.rules) == 1 {
		return len(n.rules[0].when) == 0
	}
	for _, r := range n.rules {
		if !r.isConst || r.constText != n.rules[0].constText {
			return false
		}
	}
	return true
}

// matches reports whether v bears the mark, and whether it has the object that
// would.
func (mk *mark) matches(v fhir.Value) (bears, there bool) {
	for i, s := range mk.steps {
		if v = v.Get(s.key); s.array {
			v = nth(v, s.slot)
		}
		if i+1 == mk.loose && !v.Exists() {
			return true, false
		}
	}
	if mk.prefix {
		return strings.HasPrefix(v.Text(), mk.text), true
	}
	return v.Exists() && v.Text() == mk.text, true
}

// recognised reports whether v bears all marks of the element that it has a
// place for.
func (n *tnode) recognised(v fhir.Value) bool {
	some := len(n.marks) == 0 || n.step.slot == "" // [*] takes what no name claims
	for i := range n.marks {
		bears, there := n.marks[i].matches(v)
		if !bears {
			return false
		}
		some = some || there
	}
	return some
}

// items returns the elements of an array that belong to a [*] element: those
// that bear its marks and that no sibling claims.
func (n *tnode) items(array fhir.Value) []fhir.Value {
	var out, taken []fhir.Value
	for _, k := range n.parent.kids {
		if k.step.positional() {
			taken = append(taken, k.find(array))
		}
	}
	for v := range array.All() {
		if n.recognised(v) && !slices.Contains(taken, v) && !n.claimed(v) {
			out = append(out, v)
		}
	}
	return out
}

// claimed reports whether a sibling with more marks recognises the element.
func (n *tnode) claimed(v fhir.Value) bool {
	return slices.ContainsFunc(n.parent.kids, func(k *tnode) bool {
		return k != n && len(k.marks) > len(n.marks) && k.recognised(v)
	})
}

// find returns the array's element for a position or a name.
func (n *tnode) find(array fhir.Value) fhir.Value {
	if n.step.positional() {
		return n.nth(array)
	}
	for v := range array.All() {
		if n.recognised(v) {
			return v
		}
	}
	return fhir.Value{}
}

// nth returns the array's element at the position of n. Elements that bear the
// marks of a named one are not counted.
func (n *tnode) nth(array fhir.Value) fhir.Value {
	at := n.step.index()
	for v := range array.All() {
		if slices.ContainsFunc(n.parent.kids, func(k *tnode) bool { return len(k.marks) > 0 && k.recognised(v) }) {
			continue
		}
		if at--; at < 0 {
			return v
		}
	}
	return fhir.Value{}
}

// nth returns the element of an array at a position written in the map.
func nth(v fhir.Value, slot string) fhir.Value {
	i := 0
	for _, c := range []byte(slot) {
		i = i*10 + int(c-'0')
	}
	return v.At(i)
}
