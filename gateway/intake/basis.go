package intake

import (
	"trellis.example/fhir"
	"trellis.example/gateway/workflow"
)

// A basis is what lets a referral be shared and acted on.
type basis uint8

const (
	// none: nothing is recorded. The referral stays with its sender.
	none basis = iota
	// denied: a Consent of the person says no. The referral stays with its
	// sender.
	denied
	// implicit: the sender refers for direct care, and nothing is recorded.
	// The service sees the referral and settles consent before it acts.
	implicit
	// recorded: consent or another lawful basis is recorded.
	recorded
)

// shares reports whether the service addressed may see the referral.
func (b basis) shares() bool { return b >= implicit }

// basisOf reads the Consents of the document that are the subject's. One that
// denies outweighs any that permit.
func basisOf(s Sender, p *plan) basis {
	found := none
	if DirectCare(s.Role) || s.UpdateAsCreate() {
		found = implicit
	}
	subject := ""
	if p.referral >= 0 {
		subject = p.request().At("subject", "reference").Text()
	}
	for _, part := range p.parts {
		if part.res.Type() != "Consent" || subject != "" && about(part.res.Root()) != subject {
			continue
		}
		switch root := part.res.Root(); {
		case workflow.Denies(root):
			return denied
		case workflow.PermitsSharing(root):
			found = recorded
		}
	}
	return found
}

func about(consent fhir.Value) string { return consent.At("patient", "reference").Text() }
