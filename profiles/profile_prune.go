package profiles

// asks reports whether the check itself asks anything of a value or a count.
func (k *check) asks() bool {
	return k.min > 0 || k.max >= 0 || k.types != nil || k.fixed.Exists() || k.pattern.Exists() || len(k.limits) > 0 ||
		k.maxLength > 0 || k.binding != nil || len(k.rules)+len(k.late) > 0 || k.slicing != nil
}

// useful reports whether there is anything to check at or below k; seen are the
// elements above, which content may repeat.
func (k *check) useful(seen []*check) bool {
	if k == nil {
		return false
	}
	for _, s := range seen {
		if s == k {
			return false
		}
	}
	if k.asks() {
		return true
	}
	seen = append(seen, k)
	for _, c := range k.children {
		if c.useful(seen) {
			return true
		}
	}
	if k.content != nil {
		for _, c := range k.content.children {
			if c.useful(seen) {
				return true
			}
		}
	}
	return false
}

// prune drops what checks nothing.
func (k *check) prune() {
	kept := k.children[:0]
	for _, c := range k.children {
		if c.useful(nil) {
			kept = append(kept, c)
		}
	}
	clear(k.children[len(kept):])
	k.children = kept
	for _, c := range k.children {
		c.prune()
	}
	if k.slicing == nil {
		return
	}
	for _, s := range k.slicing.slices {
		s.check.prune()
	}
}
