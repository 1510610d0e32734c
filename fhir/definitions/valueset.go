package definitions

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"sync"
)

// A ValueSet is the set of codes of a required binding.
type ValueSet struct {
	URL string
	// Open is true when the codes cannot be listed: a code system outside FHIR,
	// such as media types or currencies.
	Open bool

	once    sync.Once
	text    []string // lines "system\tcode\tcode"
	systems map[string]map[string]struct{}
}

// ValueSet returns the value set with that URL, without version, or nil: only
// those that R4 binds with strength required are held.
func (d *Definitions) ValueSet(url string) *ValueSet {
	url, _, _ = strings.Cut(url, "|")
	return d.valueSets[url]
}

// ValueSets returns all value sets, sorted by URL.
func (d *Definitions) ValueSets() []*ValueSet {
	out := make([]*ValueSet, 0, len(d.valueSets))
	for _, v := range d.valueSets {
		out = append(out, v)
	}
	slices.SortFunc(out, func(a, b *ValueSet) int { return cmp.Compare(a.URL, b.URL) })
	return out
}

// Concepts yields each code system with its codes, in the order of the
// definition; nothing for an open set.
func (v *ValueSet) Concepts() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for _, line := range v.text {
			system, codes, _ := strings.Cut(line, "\t")
			if !yield(system, strings.Split(codes, "\t")) {
				return
			}
		}
	}
}

func (v *ValueSet) load() {
	v.systems = make(map[string]map[string]struct{}, len(v.text))
	for _, line := range v.text {
		system, codes, _ := strings.Cut(line, "\t")
		set := make(map[string]struct{}, strings.Count(codes, "\t")+1)
		for code := range strings.SplitSeq(codes, "\t") {
			set[code] = struct{}{}
		}
		v.systems[system] = set
	}
}

// HasCode reports whether the code, in any system, is in the set: the rule for
// elements of type code. It is true for an open set.
func (v *ValueSet) HasCode(code string) bool {
	if v.Open {
		return true
	}
	v.once.Do(v.load)
	for _, codes := range v.systems {
		if _, ok := codes[code]; ok {
			return true
		}
	}
	return false
}

// Has reports whether the coding is in the set; true for an open set.
func (v *ValueSet) Has(system, code string) bool {
	if v.Open {
		return true
	}
	v.once.Do(v.load)
	_, ok := v.systems[system][code]
	return ok
}

// Codes returns the number of codes; 0 for an open set.
func (v *ValueSet) Codes() int {
	v.once.Do(v.load)
	n := 0
	for _, codes := range v.systems {
		n += len(codes)
	}
	return n
}
