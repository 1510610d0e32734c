package mapping

import (
	"slices"
	"strings"

	"trellis.example/mapping/codec"
)

// A frame is one element of a group, or the record (frames[0]).
type frame struct {
	group  int
	parent int
	node   codec.ID
	text   string // the part of a split list
	split  bool
	base   int    // its first value in vals
	end    int    // the first frame that does not lie in this one
	n      int    // its number among the group's elements in the parent
	live   uint64 // instances of the group that received something
}

// frame opens a frame and, below it, those of the nested groups.
func (x *run) frame(f frame) {
	f.base = len(x.vals)
	g := x.m.groups[f.group]
	i := len(x.frames)
	x.frames = append(x.frames, f)
	if len(g.when) > 0 && !x.holds(g.when, i) {
		x.frames = x.frames[:i]
		return
	}
	x.vals = slices.Grow(x.vals, g.values)[:f.base+g.values]
	clear(x.vals[f.base:])
	for _, child := range g.children {
		n := 0
		c := x.m.groups[child]
		if c.head > 0 && x.heads[c.head] == codec.None {
			continue
		}
		x.elements(child, i, f.node, c.rest, &n)
	}
	x.frames[i].end = len(x.frames)
}

// elements opens a frame for each node at the path below node.
func (x *run) elements(g, parent int, node codec.ID, rest []codec.Step, n *int) {
	if len(rest) > 0 {
		for c := x.d.Child(node, rest[0].Name); c != codec.None; c = x.d.NextSame(c) {
			x.elements(g, parent, c, rest[1:], n)
			if c == node {
				return // a positional leaf is its own first child
			}
		}
		return
	}
	group := x.m.groups[g]
	if group.split == "" {
		x.opened(frame{group: g, parent: parent, node: node, n: *n}, n)
		return
	}
	leaf := x.d.Leaf(node)
	if leaf == codec.None {
		return
	}
	for part := range strings.SplitSeq(x.d.Text(leaf), group.split) {
		if part = strings.TrimSpace(part); part != "" {
			x.opened(frame{group: g, parent: parent, node: leaf, text: part, split: true, n: *n}, n)
		}
	}
}

func (x *run) opened(f frame, n *int) {
	before := len(x.frames)
	if before > maxElements {
		return
	}
	if x.frame(f); len(x.frames) > before {
		*n++
	}
}

// up returns the frame n groups above f.
func (x *run) up(f, n int) int {
	for ; n > 0; n-- {
		f = x.frames[f].parent
	}
	return f
}

// in returns the frame of a group around f.
func (x *run) in(f, group int) int {
	for x.frames[f].group != group {
		f = x.frames[f].parent
	}
	return f
}

// value returns the node and the trimmed text at a source; "" when there is
// none.
func (x *run) value(s *source, f int) (codec.ID, string) {
	at := &x.frames[x.up(f, s.up)]
	if at.split && len(s.rest) == 0 {
		return at.node, at.text
	}
	node := x.d.Leaf(x.find(s, at.node))
	if node == codec.None {
		return node, ""
	}
	return node, strings.TrimSpace(x.d.Text(node))
}

// index finds the first child of the record for each name that a path begins
// with.
func (x *run) index() {
	x.heads = slices.Grow(x.heads[:0], len(x.m.heads)+1)[:len(x.m.heads)+1]
	for i := range x.heads {
		x.heads[i] = codec.None
	}
	for c := x.d.First(codec.Root); c != codec.None; c = x.d.Next(c) {
		if n := x.m.heads[x.d.Name(c)]; n > 0 && x.heads[n] == codec.None {
			x.heads[n] = c
		}
	}
}

// find returns the first node at the source below at, or None.
func (x *run) find(s *source, at codec.ID) codec.ID {
	if s.head == 0 {
		return x.d.Find(at, s.rest)
	}
	return x.d.Find(x.heads[s.head], s.rest[1:])
}

// place names the source's place, there or not.
func (x *run) place(s *source, f int) string {
	at, rest := x.locate(s, f)
	return x.m.syntax.Place(x.d, at, rest)
}

// locate returns the last node there is on the way to a source, and what is
// missing below it.
func (x *run) locate(s *source, f int) (at codec.ID, rest []codec.Step) {
	at = x.frames[x.up(f, s.up)].node
	rest = s.rest
	for len(rest) > 0 {
		c := x.d.Child(at, rest[0].Name)
		if c == codec.None {
			break
		}
		at, rest = c, rest[1:]
	}
	return at, rest
}
