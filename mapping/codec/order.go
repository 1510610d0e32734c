package codec

import "slices"

// An Order is the order in which a format lists what stands in its records: a
// tree of names with their ranks.
type Order struct {
	rank int
	kids map[string]*Order
}

// NewOrder returns the order of the fields of a format. Fields that are no
// paths of the syntax have no rank.
func NewOrder(s Syntax, fields []string) *Order {
	top := &Order{}
	for _, f := range fields {
		steps, err := s.Path(f)
		if err != nil {
			continue
		}
		o := top
		for _, step := range steps {
			o = o.kid(step.Name)
		}
	}
	return top
}

func (o *Order) kid(name string) *Order {
	k := o.kids[name]
	if k == nil {
		k = &Order{rank: len(o.kids) + 1}
		if o.kids == nil {
			o.kids = map[string]*Order{}
		}
		o.kids[name] = k
	}
	return k
}

// Sort puts the nodes of the record into the order of the format. Siblings of
// one name stay together in the order they have; those that the format does not
// list come last.
func (d *Doc) Sort(o *Order) { d.sort(Root, o) }

func (d *Doc) sort(id ID, o *Order) {
	type kid struct {
		id   ID
		rank int
	}
	var kids []kid
	var others map[string]int
	for c := d.nodes[id].first; c != None; c = d.nodes[c].next {
		name := d.nodes[c].name
		var under *Order
		if o != nil {
			under = o.kids[name]
		}
		rank := 0
		if under != nil {
			rank = under.rank
		} else {
			if others == nil {
				others = map[string]int{}
			}
			if others[name] == 0 {
				others[name] = len(d.nodes) + len(others)
			}
			rank = others[name] + orderLimit
		}
		kids = append(kids, kid{c, rank})
		d.sort(c, under)
	}
	if len(kids) < 2 {
		return
	}
	slices.SortStableFunc(kids, func(a, b kid) int { return a.rank - b.rank })
	d.nodes[id].first, d.nodes[id].last = None, None
	for _, k := range kids {
		d.link(id, k.id)
	}
}

// orderLimit is above the rank of every listed field.
const orderLimit = 1 << 20

// link appends a node to its parent's children.
func (d *Doc) link(parent, id ID) {
	p, n := &d.nodes[parent], &d.nodes[id]
	n.next, n.element = None, 0
	if p.last == None {
		p.first = id
	} else {
		last := &d.nodes[p.last]
		last.next = id
		if n.repeats && last.repeats && last.name == n.name {
			n.element = last.element + 1
		}
	}
	p.last = id
}
