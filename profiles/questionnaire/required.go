package questionnaire

import "strconv"

// missing looks for the items that must be in a container and are not. Nodes are
// read again in their container: an item is looked up by the stamp it leaves.
func (k *check) missing(ci int32) {
	c := &k.containers[ci]
	needs := k.q.top
	if c.owner != noItem {
		needs = k.q.items[k.nodes[c.owner].item].needs
		if len(needs) == 0 || k.enabled(c.owner) != yes {
			return
		}
	}
	for n := c.first; n != noItem; n = k.nodes[n].next {
		s := &k.seen[k.nodes[n].item]
		if s.container != ci || s.node >= n {
			*s = stamp{container: ci}
		}
		s.count++
		s.node = n
	}
	for _, i := range needs {
		if !k.step(1) {
			return
		}
		if s := k.seen[i]; s.container == ci {
			k.enough(i, s)
		} else if k.enabledAt(i, c.owner) == yes {
			k.fault(c.at, "item", &ruleRequired, i, "", "nothing")
		}
	}
}

// enough checks that an item that is there is answered, and often enough.
func (k *check) enough(i int32, s stamp) {
	it, n := &k.q.items[i], &k.nodes[s.node]
	least := it.min
	if it.required {
		least = max(least, 1)
	}
	if k.enabled(s.node) != yes {
		return
	}
	switch {
	case it.typ == group:
		if int(s.count) < least {
			k.fault(n.v, "", &ruleOccurs, i, "at least "+strconv.Itoa(least), "fewer")
		} else if it.required && !n.v.Get("item").Exists() {
			k.fault(n.v, "item", &ruleRequired, i, "", "an empty group")
		}
	case n.valued == 0:
		k.fault(n.v, "answer", &ruleRequired, i, "", "nothing")
	case int(n.valued) < least:
		k.fault(n.v, "", &ruleOccurs, i, "at least "+strconv.Itoa(least), "fewer")
	}
}
