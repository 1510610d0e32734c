package intake

import (
	"context"
	"errors"
	"slices"
	"strings"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// maxPerformers bounds the look-ups for one referral.
const maxPerformers = 20

const odsSystem = "https://fhir.nhs.uk/Id/ods-organization-code"

// addressees returns the parties of the services that the ServiceRequest asks:
// performer -> HealthcareService -> providedBy -> Organization, by ODS code.
func (in *Intake) addressees(ctx context.Context, s Submission, p *plan) ([]string, error) {
	local := make(map[string]fhir.Value, len(p.parts))
	for _, part := range p.parts {
		local[part.key.String()] = part.res.Root()
	}
	return in.Addressees(ctx, s.Sender.View("read"), p.parts[p.referral].res.Root(), local)
}

// Addressees is addressees for a request whose neighbours, if any, are given by
// their "Type/id".
func (in *Intake) Addressees(ctx context.Context, view auth.View, request fhir.Value, local map[string]fhir.Value) ([]string, error) {
	f := finder{in: in, ctx: ctx, view: view, local: local}
	var parties []string
	n := 0
	for ref := range request.Get("performer").Items() {
		if n++; n > maxPerformers {
			return nil, fhir.Errorf(fhir.TooCostly, "a referral may name at most %d performers", maxPerformers)
		}
		party, err := f.party(ref, 3)
		if err != nil {
			return nil, err
		}
		if party != "" {
			parties = append(parties, party)
		}
	}
	return parties, nil
}

// A finder follows references from a performer to an organisation.
type finder struct {
	in    *Intake
	ctx   context.Context //nolint:containedctx // lives for one look-up
	view  auth.View
	local map[string]fhir.Value
}

// next names the element that leads on to the organisation.
var next = map[string]string{"HealthcareService": "providedBy", "PractitionerRole": "organization", "Location": "managingOrganization", "CareTeam": "managingOrganization"}

func (f finder) party(ref fhir.Value, hops int) (string, error) {
	if code := ods(ref.Get("identifier")); code != "" {
		return "org/" + code, nil
	}
	return f.behind(ref, hops)
}

// behind follows the literal reference, whatever identifier stands beside it.
func (f finder) behind(ref fhir.Value, hops int) (string, error) {
	target, err := f.resolve(ref)
	if err != nil || !target.Exists() || hops == 0 {
		return "", err
	}
	typ := target.Get("resourceType").Text()
	if typ == "Organization" {
		for id := range target.Get("identifier").Items() {
			if code := ods(id); code != "" {
				return "org/" + code, nil
			}
		}
		return "", nil
	}
	for r := range target.Get(next[typ]).Items() {
		if party, err := f.party(r, hops-1); party != "" || err != nil {
			return party, err
		}
	}
	return "", nil
}

func (f finder) resolve(from fhir.Value) (fhir.Value, error) {
	ref := from.Get("reference").Text()
	if v, ok := f.local[ref]; ok || ref == "" {
		return v, nil
	}
	r, ok := fhir.ParseReference(ref)
	if ok && r.Kind == fhir.RefContained {
		return contained(from, r.Fragment), nil
	}
	if !ok || r.Kind != fhir.RefRelative {
		return fhir.Value{}, nil
	}
	ver, err := f.in.Store.Read(f.ctx, f.view, store.Key{Type: r.Type, ID: r.ID})
	if errors.Is(err, store.ErrNotFound) || err == nil && ver.Deleted {
		return fhir.Value{}, nil
	}
	if err != nil {
		return fhir.Value{}, err
	}
	res, err := fhir.Decode(ver.Body)
	if err != nil || !f.trusted(res.Root(), ver.Access) {
		return fhir.Value{}, err
	}
	return res.Root(), nil
}

// trusted reports whether a stored Organization may say whose it is: not when
// another organisation has written it under a code that is not its own.
func (f finder) trusted(root fhir.Value, a auth.Access) bool {
	if root.Get("resourceType").Text() != "Organization" || !strings.HasPrefix(a.Owner, "org/") || f.view.All() || slices.Contains(f.view.Parties(), a.Owner) {
		return true
	}
	for id := range root.Get("identifier").Items() {
		if code := ods(id); code != "" && auth.OrgParty(code) != a.Owner {
			return false
		}
	}
	return true
}

// contained returns the resource with that id that the document of v contains.
func contained(v fhir.Value, id string) fhir.Value {
	root := v
	for p := root.Parent(); p.Exists(); p = p.Parent() {
		root = p
	}
	for r := range root.Get("contained").Items() {
		if r.Get("id").Text() == id {
			return r
		}
	}
	return fhir.Value{}
}

// ods returns the organisation code of an identifier; systems differ in case
// and scheme in published material.
func ods(id fhir.Value) string {
	sys := strings.ToLower(id.Get("system").Text())
	sys = strings.TrimPrefix(strings.TrimPrefix(sys, "https://"), "http://")
	if sys != strings.TrimPrefix(strings.ToLower(odsSystem), "https://") {
		return ""
	}
	return strings.ToUpper(id.Get("value").Text())
}
