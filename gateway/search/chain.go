package search

import (
	"slices"
	"strings"

	"trellis.example/fhir"
)

// A link is a condition on other resources: on those that a reference points
// to, or with back on those whose reference points here (_has).
type link struct {
	ref *Param
	// inner has one alternative per type of the other resources, each with the
	// one condition.
	inner []*typeQuery
	back  bool
}

// targets returns the types that a chain over the reference may go on with; nil
// when any type.
func (r *Registry) targets(p *Param, modifier string, modified bool) ([]string, *fault) {
	if !p.Chains() {
		return nil, faultf(fhir.NotSupported, "%s cannot be chained: it is no reference to a resource", p.Name)
	}
	if !modified {
		return p.Targets, nil
	}
	if !r.IsResource(modifier) || len(p.Targets) > 0 && !slices.Contains(p.Targets, modifier) {
		return nil, faultf(fhir.NotSupported, "%s can be limited to %s", p.Name, strings.Join(p.Targets, ", "))
	}
	return []string{modifier}, nil
}

// chain reads "ref.rest": the condition rest on what ref points to. Of several
// types those are asked that have the parameter.
func (r *Registry) chain(name string, ref *Param, targets []string, rest, value string, depth int) (condition, *fault) {
	if depth >= maxChain {
		return condition{}, tooDeep()
	}
	l := &link{ref: ref}
	var first *fault
	for _, t := range targets {
		if !r.all && !r.Held(t) {
			continue
		}
		c, f := r.condition(t, rest, value, depth+1)
		switch {
		case f == nil:
			l.inner = append(l.inner, &typeQuery{typ: t, where: []condition{c}})
		case first == nil || first.unknown:
			first = f
		}
	}
	switch {
	case len(l.inner) > 16:
		return condition{}, faultf(fhir.TooCostly, "the reference may point to many types; ask for %s:Type and the rest of the chain", ref.Name)
	case len(l.inner) > 0:
		return condition{name: name, link: l}, nil
	case first == nil || first.unknown:
		return condition{}, faultf(fhir.NotSupported, "the chain asks for a parameter that is not supported for what %s refers to", ref.Name)
	}
	return condition{}, first
}

// asksPerson reports the parameters after which a parameter of the person may
// stand behind a colon: the Booking and Referral Standard asks for a person's
// referrals and appointments by patient:identifier, or by patient:name,
// patient:birthdate and patient:address-postalcode.
func asksPerson(typ string, p *Param) bool {
	return p.Name == "patient" && (typ == "ServiceRequest" || typ == "Appointment")
}

// ofPerson reads "patient:parameter" as "patient.parameter". R4 gives
// patient:identifier another meaning, the identifier that stands in the
// reference itself; what has it there is found too.
func (r *Registry) ofPerson(ref *Param, name, rest, value string, depth int) (condition, *fault) {
	c, f := r.chain(name, ref, []string{"Patient"}, rest, value, depth)
	if f != nil || !r.takes(ref, rest) {
		return c, f
	}
	own, f := r.plain(ref, name, rest, value)
	c.any = own.any
	return c, f
}

func tooDeep() *fault {
	return faultf(fhir.TooCostly, "a chain has at most %d steps", maxChain)
}

// reverse reads "_has:Type:ref:rest": the condition rest on resources of the
// type whose ref points here.
func (r *Registry) reverse(typ, name, value string, depth int) (condition, *fault) {
	parts := strings.SplitN(name, ":", 4)
	if len(parts) < 4 || !r.IsResource(parts[1]) || !r.all && !r.Held(parts[1]) {
		return condition{}, faultf(fhir.NotSupported, "_has:Type:reference:parameter was expected, Type being one that this server holds")
	}
	if depth >= maxChain {
		return condition{}, tooDeep()
	}
	ref := r.Param(parts[1], parts[2])
	if ref == nil || !ref.Chains() || len(ref.Targets) > 0 && !slices.Contains(ref.Targets, typ) {
		return condition{}, faultf(fhir.NotSupported, "the reference in _has is no reference parameter that may point to %s", typ)
	}
	c, f := r.condition(parts[1], parts[3], value, depth+1)
	if f != nil {
		if f.unknown {
			f = faultf(fhir.NotSupported, "_has asks for a parameter that is not supported for %s", parts[1])
		}
		return condition{}, f
	}
	return condition{name: name, link: &link{ref: ref, back: true, inner: []*typeQuery{{typ: parts[1], where: []condition{c}}}}}, nil
}
