package auth

import (
	"context"

	"trellis.example/fhir"
)

// A Sender is what an MLLP connection and message say of their sender.
type Sender struct {
	// CertSHA256 is the SHA-256 of the client certificate (DER, lower-case
	// hexadecimal) that the TLS listener has verified, and CN its subject's
	// common name. Both are "" for a plain connection, which the listener
	// accepts from loopback only.
	CertSHA256, CN string
	// MSH3 and MSH4 are the message's sending application and facility.
	MSH3, MSH4 string
}

// MLLPSender returns the client that is bound to the sender, with all that its
// registered scopes and role allow. A sender that no enabled client, or more
// than one, is bound to is a 401 error, for which the listener answers AR.
func (s *Server) MLLPSender(ctx context.Context, from Sender) (Principal, error) {
	all, err := s.Clients.records(ctx)
	if err != nil {
		return Principal{}, err
	}
	var found *clientRecord
	for _, rec := range all {
		if rec.MLLP == nil || !s.enabled(rec) || !rec.MLLP.matches(from) {
			continue
		}
		if found != nil {
			return Principal{}, fhir.Errorf(fhir.Login, "more than one client is bound to this sender")
		}
		found = rec
	}
	if found == nil {
		return Principal{}, fhir.Errorf(fhir.Login, "no client is bound to this certificate, MSH-3 and MSH-4")
	}
	p := found.principal(found.scopes)
	p.Partner = found.MLLP.Partner
	return p, nil
}

func (b *MLLPBinding) matches(from Sender) bool {
	switch {
	case b.MSH3 != from.MSH3 || b.MSH4 != from.MSH4:
		return false
	case b.CertSHA256 != "":
		return b.CertSHA256 == from.CertSHA256
	case b.CN != "":
		return b.CN == from.CN
	}
	return from.CertSHA256 == "" && from.CN == ""
}
