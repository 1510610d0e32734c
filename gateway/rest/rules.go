package rest

import (
	"context"
	"errors"
	"slices"
	"strings"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// maxReferences bounds how many different resources one document may refer to.
const maxReferences = 200

// rules checks what a document says against what the gateway knows: security
// labels, the requester, and the resources referred to. They do not apply in the
// sandbox.
func (a *API) rules(q *Request, res fhir.Resource, old *store.Version) ([]fhir.Issue, error) {
	return a.rulesOn(a.Store, q, res, old)
}

// rulesOn is rules where the resources referred to are read from s.
func (a *API) rulesOn(s store.Store, q *Request, res fhir.Resource, old *store.Version) ([]fhir.Issue, error) {
	if q.Principal.Sandbox() {
		return nil, nil
	}
	_, transaction := s.(*overlay)
	c := &check{api: a, store: s, transaction: transaction, ctx: q.Context(), p: q.Principal, res: res, view: q.Principal.View("create")}
	if old != nil {
		c.view = q.Principal.View("update")
		if !old.Deleted {
			before, err := fhir.Decode(old.Body)
			if err != nil {
				return nil, err
			}
			c.before = before.Root()
		}
	}
	c.labels()
	c.organisation()
	if err := c.references(); err != nil {
		return nil, err
	}
	err := c.requester()
	return c.issues, err
}

type check struct {
	api   *API
	store store.Store
	// transaction: the document is one of a transaction's.
	transaction bool
	ctx         context.Context //nolint:containedctx // lives as long as one request
	p           auth.Principal
	res         fhir.Resource
	before      fhir.Value // what is replaced; absent when new
	view        auth.View
	issues      []fhir.Issue
}

func (c *check) fail(code fhir.Code, at fhir.Value, text string) {
	c.issues = append(c.issues, fhir.Issue{Code: code, Text: text, Expression: at.Path()})
}

// labels refuses security labels that the caller would not be cleared to see.
// Those that stood in the version replaced are not the caller's doing.
func (c *check) labels() {
	before := labels(c.before)
	for l := range c.res.Root().At("meta", "security").Items() {
		if slices.Contains(before, label(l)) {
			continue
		}
		a := auth.Access{Parties: []string{c.p.Owner()}, Labels: []string{label(l)}}
		if !c.view.Sees(c.res.Type(), a) {
			c.fail(fhir.Security, l, "this client may not set this security label")
		}
	}
}

// organisation refuses to give an Organization another ODS code: referrals find
// their service by it.
func (c *check) organisation() {
	if c.res.Type() != "Organization" || !c.before.Exists() || !foreign(c.p, c.res.Root()) && !foreign(c.p, c.before) {
		return
	}
	before, now := odsCodes(c.before), odsCodes(c.res.Root())
	if !slices.Equal(before, now) {
		c.fail(fhir.Security, c.res.Root().Get("identifier"), "only an administrator changes the ODS code of an organisation that is not the client's own")
	}
}

// foreign reports an ODS code that is not the client's own, from a client who
// does not keep the directory.
func foreign(p auth.Principal, root fhir.Value) bool {
	if p.UpdateAsCreate() || p.Allow("delete", "Organization") {
		return false
	}
	return slices.ContainsFunc(odsCodes(root), func(code string) bool { return code != p.Org })
}

// Labels returns the security labels of a document ("system|code"), sorted.
func Labels(res fhir.Resource) []string { return labels(res.Root()) }

// labels returns the security labels of a document, sorted.
func labels(root fhir.Value) []string {
	var out []string
	for l := range root.At("meta", "security").Items() {
		out = append(out, label(l))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func label(coding fhir.Value) string {
	return strings.Clone(coding.Get("system").Text()) + "|" + coding.Get("code").Text()
}

// references refuses references to resources of this server that do not exist
// or that the caller's party does not share: one answer for both. What stood in
// the version replaced is not judged again.
func (c *check) references() error {
	if c.res.Type() == "Bundle" { // its references resolve inside it
		return nil
	}
	var known map[string]bool
	if c.before.Exists() {
		known = map[string]bool{}
		fhir.EachReference(c.before, func(v fhir.Value) { known[v.Text()] = true })
	}
	seen := map[string]bool{}
	var err error
	fhir.EachReference(c.res.Root(), func(v fhir.Value) {
		s := v.Text()
		if err != nil || known[s] || seen[s] {
			return
		}
		seen[s] = true
		if len(seen) > maxReferences {
			err = fhir.Errorf(fhir.TooCostly, "a document may refer to at most %d resources", maxReferences)
			return
		}
		err = c.reference(v)
	})
	return err
}

func (c *check) reference(v fhir.Value) error {
	ref, ok := fhir.ParseReference(v.Text())
	switch {
	case !ok: // the validator says so
		return nil
	case ref.Kind == fhir.RefConditional && c.transaction: // it has found nothing, and that was said
		return nil
	case ref.Kind == fhir.RefConditional:
		c.fail(fhir.BadValue, v, "a conditional reference is possible in a transaction only")
		return nil
	case ref.Kind == fhir.RefRelative, ref.Kind == fhir.RefAbsolute && ref.Base == c.api.base:
	default:
		return nil
	}
	target, err := c.target(ref)
	if err != nil {
		return err
	}
	n, versioned := version(ref.Version)
	if target == nil || versioned && n > target.Number || ref.Version != "" && !versioned {
		c.fail(fhir.NotFound, v, "the resource referred to does not exist")
	}
	return nil
}

// target reads what a reference points to; nil when it is absent, deleted or
// not shared with the caller's party. The caller's scopes do not matter here:
// who may write about a person need not be able to read the person's record.
func (c *check) target(ref fhir.Reference) (*store.Version, error) {
	k := store.Key{Type: strings.Clone(ref.Type), ID: strings.Clone(ref.ID)}
	v, err := c.store.Read(c.ctx, auth.SystemView(), k)
	if errors.Is(err, store.ErrNotFound) || err == nil && (v.Deleted || !c.view.Sees(c.res.Type(), v.Access)) {
		return nil, nil
	}
	return &v, err
}

// odsSystem identifies organisations by their ODS code.
const odsSystem = "https://fhir.nhs.uk/Id/ods-organization-code"

// requester refuses a requester that is another organisation than the caller's:
// nobody orders in somebody else's name. A requester whose organisation has no
// ODS code cannot be told from others and is accepted.
func (c *check) requester() error {
	v := c.res.Root().Get("requester")
	if !v.Exists() || c.p.Org == "" || c.p.UpdateAsCreate() || string(c.before.Get("requester").Raw()) == string(v.Raw()) {
		return nil
	}
	orgs, err := c.organisations(v, 2)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(orgs, func(code string) bool { return code != c.p.Org }) {
		c.fail(fhir.Security, v, "the requester belongs to another organisation than this client")
	}
	return nil
}

// organisations returns the ODS codes that a reference stands for, following
// literal references at most depth times.
func (c *check) organisations(v fhir.Value, depth int) ([]string, error) {
	codes := odsCodes(v)
	ref, ok := fhir.ParseReference(v.Get("reference").Text())
	if ok && ref.Kind == fhir.RefContained && depth > 0 {
		more, err := c.organisationsOf(contained(c.res.Root(), ref.Fragment), depth)
		return append(codes, more...), err
	}
	if len(codes) > 0 {
		return codes, nil
	}
	if !ok || depth == 0 || ref.Type != "Organization" && ref.Type != "PractitionerRole" || ref.Kind == fhir.RefAbsolute && ref.Base != c.api.base {
		return nil, nil
	}
	target, err := c.target(ref)
	if target == nil || err != nil {
		return nil, err
	}
	res, err := fhir.Decode(target.Body)
	if err != nil {
		return nil, err
	}
	return c.organisationsOf(res.Root(), depth)
}

// organisationsOf returns the ODS codes of an Organization, or of that which a
// PractitionerRole names.
func (c *check) organisationsOf(root fhir.Value, depth int) ([]string, error) {
	if root.Get("resourceType").Text() == "Organization" {
		return odsCodes(root), nil
	}
	return c.organisations(root.Get("organization"), depth-1)
}

// contained returns the contained resource with that id.
func contained(root fhir.Value, id string) fhir.Value {
	for r := range root.Get("contained").Items() {
		if r.Get("id").Text() == id {
			return r
		}
	}
	return fhir.Value{}
}

func odsCodes(v fhir.Value) (codes []string) {
	for id := range v.Get("identifier").Items() {
		if id.Get("system").Text() == odsSystem {
			codes = append(codes, strings.Clone(id.Get("value").Text()))
		}
	}
	return codes
}
