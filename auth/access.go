package auth

import (
	"slices"
)

// PartyPublic is the party of directory entries (services, organisations,
// places, people in their work): every authenticated caller sees them, only
// their owner changes them.
const PartyPublic = "public"

// Access says who may see and change one resource. It belongs to the key, not
// to the version: history shows what today's access allows.
type Access struct {
	// Owner is the party that created the resource.
	Owner string
	// Parties may see it, and change it as far as their role goes; sorted,
	// Owner included.
	Parties []string
	// Labels are security label codes (system|code) that a view must be
	// cleared for.
	Labels []string
}

// NewAccess returns access for the owner and the other parties, sorted and
// without repeats.
func NewAccess(owner string, parties ...string) Access {
	all := append([]string{owner}, parties...)
	slices.Sort(all)
	return Access{Owner: owner, Parties: slices.Compact(all)}
}

// A View is what one caller may see and change. Only package auth builds one;
// the zero View sees nothing. Every read, search, history and write of the
// store takes it.
type View struct {
	all     bool
	parties []string
	types   map[string]bool // nil: none; with key "*": every type
	labels  []string
}

// NewView returns the view of one caller: what is public or at least one of the
// parties may see, of the given types ("*": every type), with no security label
// but those it is cleared for. A request's view comes from its Grant; NewView
// is for tests of what takes one.
func NewView(parties, types, labels []string) View {
	v := View{types: make(map[string]bool, len(types)), labels: slices.Clone(labels)}
	v.parties = append([]string{PartyPublic}, parties...)
	slices.Sort(v.parties)
	v.parties = slices.Compact(v.parties)
	for _, t := range types {
		v.types[t] = true
	}
	return v
}

// All reports whether the view is limited by no party.
func (v View) All() bool { return v.all }

// Parties returns the parties whose resources the view shows, sorted;
// meaningless when All. The caller must not modify it.
func (v View) Parties() []string { return v.parties }

// SeesType reports whether resources of that type may be seen at all.
func (v View) SeesType(typ string) bool { return v.types["*"] || v.types[typ] }

// Sees reports whether a resource of that type and access may be seen.
func (v View) Sees(typ string, a Access) bool {
	if !v.SeesType(typ) {
		return false
	}
	for _, l := range a.Labels {
		if !v.all && !slices.Contains(v.labels, l) {
			return false
		}
	}
	return v.all || v.shares(a, true)
}

// Changes reports whether a resource of that access may be changed. Being
// public lets everyone see, and only the owner's party change.
func (v View) Changes(typ string, a Access) bool {
	if !v.Sees(typ, a) {
		return false
	}
	if v.all {
		return true
	}
	if slices.Contains(a.Parties, PartyPublic) {
		_, ok := slices.BinarySearch(v.parties, a.Owner)
		return ok
	}
	return v.shares(a, false)
}

func (v View) shares(a Access, public bool) bool {
	for _, p := range a.Parties {
		if p == PartyPublic && !public {
			continue
		}
		if _, ok := slices.BinarySearch(v.parties, p); ok {
			return true
		}
	}
	return false
}

// SystemView sees and changes everything. It is for the gateway's own work
// (workflow, sequencers, migration), never for a request.
func SystemView() View { return View{all: true, types: map[string]bool{"*": true}} }
