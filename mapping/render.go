package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"trellis.example/mapping/codec"
)

// A placed is a written value: its path's place in texts, and who wrote it.
type placed struct {
	start, end int
	rule       *rule
	node       codec.ID // None for a constant
	frame      int
}

// A madeURL is the last fullUrl made of an instance: its place in urls.
type madeURL struct{ frame, start, end int }

// render writes the bundle, and where each value came from.
func (x *run) render() ([]byte, *Places) {
	x.out = append(x.out[:0], `{"resourceType":"Bundle","type":"transaction","entry":[`...)
	entries := 0
	for _, inst := range x.m.instances {
		frames := x.frames
		if inst.group == 0 {
			frames = frames[:1]
		}
		for f := range frames {
			if x.frames[f].group == inst.group && x.frames[f].live&(1<<inst.bit) != 0 {
				if entries > 0 {
					x.out = append(x.out, ',')
				}
				x.entry(inst, f, entries)
				entries++
			}
		}
	}
	x.out = append(x.out, `]}`...)
	return append([]byte(nil), x.out...), x.placesOf()
}

func (x *run) entry(inst *instance, f, i int) {
	x.at = append(x.at[:0], "Bundle.entry["...)
	x.at = strconv.AppendInt(x.at, int64(i), 10)
	x.at = append(x.at, "].resource"...)
	x.out = append(x.out, `{"fullUrl":"`...)
	x.out = x.appendURL(x.out, inst, f)
	x.out = append(x.out, `","resource":{"resourceType":"`...)
	x.out = append(x.out, inst.typ...)
	x.out = append(x.out, '"')
	x.members(inst.root, f, true)
	x.out = append(x.out, `},"request":{"method":"POST","url":"`...)
	x.out = append(x.out, inst.typ...)
	x.out = append(x.out, `"}}`...)
}

// members writes an object's members and reports whether it wrote any, and
// whether any of them came from the document.
func (x *run) members(n *tnode, f int, comma bool) (wrote, live bool) {
	at := len(x.at)
	for _, k := range n.kids {
		if len(k.rules) > 0 && x.vals[x.frames[f].base+k.index].rule == nil || k.feeds != nil && x.starved(k, f) {
			continue // most of what the map may write is not there
		}
		mark := len(x.out)
		if comma || wrote {
			x.out = append(x.out, ',')
		}
		x.out = append(x.out, k.keyJSON...)
		x.at = append(append(x.at, '.'), k.key...)
		w, l := x.node(k, f)
		if x.at = x.at[:at]; !w {
			x.out = x.out[:mark]
		}
		wrote, live = wrote || w, live || l
	}
	return wrote, live
}

// starved reports whether a node that the document could have fed gets nothing
// from it. It is left out then, with its constants.
func (x *run) starved(n *tnode, f int) bool {
	base := x.frames[f].base
	for _, i := range n.feeds {
		if r := x.vals[base+i].rule; r != nil && !r.isConst {
			return false
		}
	}
	return len(n.rules) == 0
}

// node writes a leaf, an object or an array. An object that the document could
// have fed but did not is left out, with its constants.
func (x *run) node(n *tnode, f int) (wrote, live bool) {
	if len(n.rules) > 0 {
		return x.leaf(n, f)
	}
	mark, places := len(x.out), len(x.places)
	if n.array {
		return x.array(n, f)
	}
	x.out = append(x.out, '{')
	wrote, live = x.members(n, f, false)
	x.out = append(x.out, '}')
	if !wrote || n.fed && !live {
		x.out, x.places = x.out[:mark], x.places[:places]
		return false, false
	}
	return true, live
}

func (x *run) leaf(n *tnode, f int) (wrote, live bool) {
	v := &x.vals[x.frames[f].base+n.index]
	if v.rule == nil {
		return false, false
	}
	x.out = append(x.out, x.arena[v.start:v.end]...)
	if v.node != codec.None || x.trace {
		start := len(x.texts)
		x.texts = append(x.texts, x.at...)
		x.places = append(x.places, placed{start, len(x.texts), v.rule, v.node, f})
	}
	return true, !v.rule.isConst
}

func (x *run) array(n *tnode, f int) (wrote, live bool) {
	at, count, positions := len(x.at), 0, 0
	x.out = append(x.out, '[')
	one := func(e *tnode, f int) {
		mark, places := len(x.out), len(x.places)
		if count > 0 {
			x.out = append(x.out, ',')
		}
		x.at = append(x.at[:at], '[')
		x.at = strconv.AppendInt(x.at, int64(count), 10)
		x.at = append(x.at, ']')
		w, l := x.node(e, f)
		if !w {
			x.out = x.out[:mark]
			return
		}
		if e.step.positional() {
			if e.step.slot[0] != '0' && e.step.index() != positions {
				x.moved(places)
			}
			positions++
		}
		count++
		live = live || l
	}
	for _, e := range n.kids {
		if !e.step.star {
			if e.feeds == nil || !x.starved(e, f) {
				one(e, f)
			}
			continue
		}
		for i := f + 1; i < x.frames[f].end; i++ {
			if x.frames[i].group == e.group {
				one(e, i)
			}
		}
	}
	x.at = x.at[:at]
	x.out = append(x.out, ']')
	return count > 0, live
}

// moved reports values that are written at an earlier position than the map
// says, because what belongs there is missing: back they go to another field.
func (x *run) moved(from int) {
	for _, p := range x.places[from:] {
		if p.node == codec.None || p.rule.dir&outward == 0 {
			continue
		}
		if len(x.losses) == maxLosses {
			x.lost++
			continue
		}
		x.losses = append(x.losses, Loss{Rule: p.rule.spec.ID, Text: "a field before it in the list is empty: it moves up, and is written back there"})
		x.lossText = x.m.syntax.AppendPlace(x.lossText, x.d, p.node, nil)
		x.lossAt = append(x.lossAt, len(x.lossText))
	}
}

// appendURL appends the fullUrl of an instance: the same for the same record
// and instance.
func (x *run) appendURL(dst []byte, inst *instance, f int) []byte {
	known := &x.known[inst.bit]
	if known.end == 0 || known.frame != f {
		start := len(x.urls)
		x.urls = x.makeURL(x.urls, inst, f)
		*known = madeURL{frame: f, start: start, end: len(x.urls)}
	}
	return append(dst, x.urls[known.start:known.end]...)
}

func (x *run) makeURL(dst []byte, inst *instance, f int) []byte {
	var array [256]byte
	seed := append(array[:0], x.m.spec.ID...)
	empty := true
	for i := range x.m.keys {
		_, text := x.value(&x.m.keys[i], 0)
		seed = append(append(seed, 0), text...)
		empty = empty && text == ""
	}
	if empty { // no key: the content is the key
		for id := range x.d.Len() {
			seed = append(append(seed, 0), x.d.Text(codec.ID(id))...)
		}
	}
	seed = append(append(seed, 0), inst.name...)
	for ; f > 0; f = x.frames[f].parent {
		seed = strconv.AppendInt(append(seed, '#'), int64(x.frames[f].n), 10)
	}
	return appendURN(dst, seed)
}

// URN returns the fullUrl "urn:uuid:…" of the n-th resource of a record of a
// format: the same for the same parts.
func URN(format string, parts []string, n int) string {
	seed := []byte(format)
	for _, p := range parts {
		seed = append(append(seed, 0), p...)
	}
	return string(appendURN(nil, strconv.AppendInt(append(seed, '#'), int64(n), 10)))
}

// appendURN appends the name-based UUID of a seed (RFC 9562, version 8 with
// SHA-256).
func appendURN(dst, seed []byte) []byte {
	sum := sha256.Sum256(seed)
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	var h [32]byte
	hex.Encode(h[:], sum[:16])
	dst = append(dst, "urn:uuid:"...)
	for i, n := range [...]int{8, 12, 16, 20, 32} {
		from := [...]int{0, 8, 12, 16, 20}[i]
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = append(dst, h[from:n]...)
	}
	return dst
}
