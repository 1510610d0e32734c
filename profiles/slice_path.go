package profiles

import (
	"fmt"
	"strings"

	"trellis.example/fhir"
)

// A step is one part of a discriminator's path, the FHIRPath subset of R4
// profiling, section 5.1.0.13.
type step struct {
	kind stepKind
	name string // of the element or type, or the url of the extension
}

type stepKind uint8

const (
	toChild stepKind = iota
	toExtension
	ofType
	resolved
)

// maxSteps bounds a discriminator's path.
const maxSteps = 20

// parseSteps reads a path: names, extension('url'), ofType(Type), resolve() and
// $this, joined by dots.
func parseSteps(path string) ([]step, error) {
	var out []step
	for rest := strings.TrimSpace(path); rest != ""; {
		var s step
		var err error
		if s, rest, err = nextStep(rest); err != nil {
			return nil, err
		}
		if s.name != "$this" {
			out = append(out, s)
		}
		if len(out) > maxSteps {
			return nil, fmt.Errorf("the path of the discriminator is too long")
		}
	}
	return out, nil
}

func nextStep(s string) (step, string, error) {
	n := strings.IndexAny(s, ".(")
	if n < 0 {
		n = len(s)
	}
	name := s[:n]
	if n == len(s) || s[n] == '.' {
		if name != "$this" && fhir.SafeName(name) == "?" || n == len(s)-1 {
			return step{}, "", fmt.Errorf("the path of the discriminator is outside the subset for profiling")
		}
		return step{name: strings.TrimSuffix(name, "[x]")}, strings.TrimPrefix(s[n:], "."), nil
	}
	arg, rest, ok := argument(s[n:])
	if !ok {
		return step{}, "", fmt.Errorf("the path of the discriminator is outside the subset for profiling")
	}
	switch {
	case name == "extension" && len(arg) > 2:
		return step{kind: toExtension, name: strings.Trim(arg, `'"`)}, rest, nil
	case (name == "ofType" || name == "as") && fhir.SafeName(arg) != "?":
		return step{kind: ofType, name: arg}, rest, nil
	case name == "resolve" && arg == "":
		return step{kind: resolved}, rest, nil
	}
	return step{}, "", fmt.Errorf("the path of the discriminator is outside the subset for profiling")
}

// argument reads "(…)" and the dot after it.
func argument(s string) (arg, rest string, ok bool) {
	end := strings.IndexByte(s, ')')
	if i := strings.IndexByte(s, '\''); i == 1 {
		if j := strings.IndexByte(s[2:], '\''); j >= 0 {
			end = 2 + j + 1
		}
	}
	if end < 0 || end >= len(s) || s[end] != ')' {
		return "", "", false
	}
	rest = s[end+1:]
	if rest != "" && (rest[0] != '.' || len(rest) == 1) {
		return "", "", false
	}
	return s[1:end], strings.TrimPrefix(rest, "."), true
}

// A follower finds, in a definition, what a discriminator's path leads to.
type follower struct {
	c        *compiler
	found    []*outline
	values   []fhir.Value // parts of a pattern above the element
	resolved bool         // the path goes through resolve()
	depth    int
}

// maxFollowed bounds the elements that one path may lead through.
const maxFollowed = 200

func (f *follower) follow(o *outline, path []step) {
	if f.depth++; f.depth > maxFollowed {
		return
	}
	if len(path) == 0 {
		f.found = append(f.found, o)
		return
	}
	if f.inPattern(o, path) {
		return
	}
	next, rest := path[0], path[1:]
	for _, child := range f.step(o, next) {
		f.follow(child, rest)
	}
}

// inPattern looks for the rest of a path within the element's fixed value or
// pattern.
func (f *follower) inPattern(o *outline, path []step) bool {
	v := o.e.Fixed
	if !v.Exists() {
		v = o.e.Pattern
	}
	list := []fhir.Value{v}
	for _, s := range path {
		if s.kind != toChild || !v.Exists() {
			return false
		}
		var next []fhir.Value
		for _, v := range list {
			for c := range v.Get(s.name).Items() {
				next = append(next, c)
			}
		}
		list = next
	}
	f.values = append(f.values, list...)
	return len(list) > 0
}

// step returns the elements that one step leads to.
func (f *follower) step(o *outline, s step) []*outline {
	switch s.kind {
	case ofType:
		return f.ofType(o, s.name)
	case resolved:
		f.resolved = true
		return f.targets(o)
	case toExtension:
		return f.extension(o, s.name)
	}
	if child := o.child(s.name); child != nil {
		return []*outline{child}
	}
	if o.slice != "" && len(o.children) == 0 && o.whole() != nil {
		if child := o.whole().child(s.name); child != nil {
			return []*outline{child}
		}
	}
	if ref := f.c.byID[strings.TrimPrefix(o.e.ContentRef, "#")]; ref != nil {
		if child := ref.child(s.name); child != nil {
			return []*outline{child}
		}
	}
	var out []*outline
	for _, root := range f.typeRoots(o) {
		if child := root.child(s.name); child != nil {
			out = append(out, child)
		}
	}
	return out
}

// whole is the element that a slice divides.
func (o *outline) whole() *outline {
	if o.up == nil {
		return nil
	}
	return o.up.child(o.name)
}

// typeRoots are the first elements of the profiles that an element's types name.
func (f *follower) typeRoots(o *outline) []*outline {
	var out []*outline
	for _, t := range o.e.Types {
		for _, p := range t.Profiles {
			if root := f.root(p); root != nil {
				out = append(out, root)
			}
		}
	}
	return out
}

// root is the first element of another structure.
func (f *follower) root(canonical string) *outline {
	defs := f.c.v.nodes.defs
	other := &compiler{v: f.c.v}
	if d := f.c.v.shelf.find(canonical); d != nil {
		s, err := f.c.v.shelf.structure(d)
		if err != nil {
			return nil
		}
		o, err := other.outline(s)
		if err != nil {
			return nil
		}
		return o
	}
	if typ := ownType(defs, canonical); typ != "" {
		if s := f.c.v.shelf.typeStructure(typ); s != nil {
			o, err := other.outline(s)
			if err == nil {
				return o
			}
		}
	}
	return nil
}

// ofType keeps the element where it may be of the type: the slice of a choice
// for it, if there is one.
func (f *follower) ofType(o *outline, typ string) []*outline {
	for _, s := range o.slices {
		if len(s.e.Types) == 1 && s.e.Types[0].Code == typ {
			return []*outline{s}
		}
	}
	return []*outline{o}
}

// targets are the first elements of what a reference may lead to.
func (f *follower) targets(o *outline) []*outline {
	var out []*outline
	for _, t := range o.e.Types {
		for _, p := range t.TargetProfiles {
			if root := f.root(p); root != nil {
				out = append(out, root)
			}
		}
	}
	return out
}

// extension finds the slice of the element's extensions with that url.
func (f *follower) extension(o *outline, url string) []*outline {
	list := o.child("extension")
	if list == nil {
		return nil
	}
	for _, s := range list.slices {
		for _, t := range s.e.Types {
			for _, p := range t.Profiles {
				if fhir.ParseCanonical(p).URL == url {
					return []*outline{s}
				}
			}
		}
		if u := s.child("url"); u != nil && u.e.Fixed.Text() == url {
			return []*outline{s}
		}
	}
	return nil
}
