package intake

import (
	"context"
	"fmt"
	"slices"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/mapping"
)

// access decides who sees the parts. A referral and all that came with it is
// shared with the service it is addressed to, once there is a basis for that;
// what the sender marks as never to be sent on stays the sender's. Without a
// referral every part is the sender's, as its type has it; what is based on a
// referral that stands here is shared with those who see that.
func (in *Intake) access(ctx context.Context, s Submission, p *plan) ([]fhir.Issue, error) {
	parties, issues, err := in.receivers(ctx, s, p)
	if err != nil {
		return nil, err
	}
	p.access = auth.NewAccess(s.Sender.Owner(), parties...)
	beside, more, err := in.beside(ctx, s, p)
	if err != nil {
		return nil, err
	}
	issues = append(issues, more...)
	for i := range p.parts {
		part := &p.parts[i]
		switch {
		case p.referral < 0 && restricted(part.res.Root()):
			part.access = s.Sender.Access(part.key.Type)
		case p.referral < 0 && len(beside) == 0 && in.Service != "" && asksForWork(s, part.res.Root()):
			part.access = s.Sender.Access(part.key.Type, in.Service)
		case p.referral < 0:
			part.access = s.Sender.Access(part.key.Type, beside...)
		case restricted(part.res.Root()):
			part.access = auth.NewAccess(s.Sender.Owner())
		default:
			part.access = p.access
		}
	}
	return issues, nil
}

// asksForWork reports a Task by which a partner's document that holds no referral
// asks the service to look at it: a submission without structured content. What
// it is about stays with its sender as its labels say.
func asksForWork(s Submission, root fhir.Value) bool {
	return !s.speaksFHIR() && root.Get("resourceType").Text() == "Task" && root.Get("status").Text() == "requested"
}

// beside returns the parties of the referral that a document without one is based
// on: they see what came of it.
func (in *Intake) beside(ctx context.Context, s Submission, p *plan) ([]string, []fhir.Issue, error) {
	if p.referral >= 0 || s.Sender.Sandbox() {
		return nil, nil, nil
	}
	a, issues, err := in.about(ctx, s, p)
	if a == nil || err != nil {
		return nil, issues, err
	}
	p.access = auth.NewAccess(s.Sender.Owner(), a.Parties...) // of its Provenance
	return a.Parties, issues, nil
}

// receivers returns the parties that the referral is shared with.
func (in *Intake) receivers(ctx context.Context, s Submission, p *plan) ([]string, []fhir.Issue, error) {
	switch {
	case s.Parties != nil:
		return s.Parties, nil, nil
	case p.referral < 0 || !p.basis.shares() || p.request().Get("status").Text() == "draft":
		return nil, nil, nil
	}
	parties, err := in.addressees(ctx, s, p)
	if err != nil || len(parties) > 0 {
		return parties, nil, err
	}
	addressed := p.request().Get("performer").Exists()
	var issues []fhir.Issue
	if addressed {
		issues = append(issues, unresolved(fmt.Sprintf("Bundle.entry[%d].resource.performer", p.parts[p.referral].entry), s.Places))
	}
	// A document in FHIR that names another service is not for the default
	// one; other formats name it in words, and were sent here on purpose.
	if in.Service != "" && (!addressed || !s.speaksFHIR()) {
		parties = []string{in.Service}
	}
	return parties, issues, nil
}

// unresolved says that nobody but the sender sees the referral yet, or that it
// went to the default service.
func unresolved(at string, places *mapping.Places) fhir.Issue {
	return fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.NotFound, Rule: "prsb-referral-to-known", Expression: at, Source: place(places, at),
		Text: "the service referred to is not known here; expected an organisation with its ODS code, named directly or through HealthcareService.providedBy"}
}

// restricted reports labels that keep a part with its sender: restricted, very
// restricted, or not to be disclosed onward (HL7 v3 Confidentiality, ActCode).
func restricted(root fhir.Value) bool {
	for l := range root.At("meta", "security").Items() {
		if slices.Contains([]string{"R", "V", "NORDSCLCD", "NORDSLCD"}, l.Get("code").Text()) {
			return true
		}
	}
	return false
}

// readdress returns the access that a part gets when its record is sent again:
// what others were given since stays, what the earlier form gave to services
// that are no longer addressed goes, labels stay.
func readdress(current auth.Access, before []string, now auth.Access) auth.Access {
	kept := slices.DeleteFunc(slices.Clone(current.Parties), func(p string) bool { return slices.Contains(before, p) })
	a := auth.NewAccess(now.Owner, append(kept, now.Parties...)...)
	a.Labels = current.Labels
	return a
}

func sameAccess(a, b auth.Access) bool {
	return a.Owner == b.Owner && slices.Equal(a.Parties, b.Parties) && slices.Equal(a.Labels, b.Labels)
}
