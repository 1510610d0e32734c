package intake

import (
	"context"
	"fmt"

	"trellis.example/fhir"
)

// What a sender may not say of itself in FHIR: security labels, which decide
// who sees a resource, and another organisation as the one that asks. A map
// sets labels by its own rules, so only documents that are FHIR already are
// judged.

func labels(s Submission, v fhir.Value) []fhir.Issue {
	if !s.speaksFHIR() {
		return nil
	}
	var issues []fhir.Issue
	for l := range v.At("meta", "security").Items() {
		issues = append(issues, fhir.Issue{Code: fhir.Security, Rule: "security-label", Expression: l.Path(), Text: "this client may not set this security label"})
	}
	return issues
}

// requester refuses a request in another organisation's name.
func (in *Intake) requester(ctx context.Context, s Submission, p *plan) ([]fhir.Issue, error) {
	if !s.speaksFHIR() || p.referral < 0 || s.Sender.Org == "" || s.Sender.UpdateAsCreate() {
		return nil, nil
	}
	local := map[string]fhir.Value{}
	for _, part := range p.parts {
		local[part.key.String()] = part.res.Root()
	}
	f := finder{in: in, ctx: ctx, view: s.Sender.View("read"), local: local}
	who := p.request().Get("requester")
	named, err := f.party(who, 3)
	if err != nil {
		return nil, err
	}
	behind, err := f.behind(who, 3)
	ours := func(party string) bool { return party == "" || party == s.Sender.Owner() }
	if err != nil || ours(named) && ours(behind) {
		return nil, err
	}
	at := fmt.Sprintf("Bundle.entry[%d].resource.requester", p.parts[p.referral].entry)
	return []fhir.Issue{{Code: fhir.Security, Rule: "requester", Expression: at, Text: "the requester belongs to another organisation than this client"}}, nil
}

// speaksFHIR reports that the document was FHIR before any map.
func (s Submission) speaksFHIR() bool {
	return (s.Format == "fhir" || s.Format == "bars") && !s.Sender.Sandbox()
}
