package intake

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
	"trellis.example/mapping/formats/hl7v2"
)

// What a hospital tells of a person and a visit (ADT) is context: a Patient and
// Encounters of the sender's own, kept apart from the Patients of referrals,
// which belong to those. Only the sender sees them, until it refers to one in a
// referral. Of one person, known by any identifier that the sender gave before,
// later messages add to what earlier ones said.

// The kinds of the store's docs that hold what is known of a sender's people.
const (
	kindPerson     = "hl7-person"     // id is the Patient's; body a person
	kindIdentifier = "hl7-identifier" // id is of the identifier; body the Patient's name
)

// A person is what is remembered of a Patient that ADT messages told of: of the
// last message and of the last of each visit, the hash of the original that
// holds all that was said so far, and its time.
type person struct {
	said
	Visits map[string]said `json:"visits,omitempty"`
}

type said struct {
	Merged string `json:"merged"`
	At     string `json:"at,omitempty"`
}

// visit takes ADT.
func (m *hl7Message) visit(ctx context.Context) (Outcome, error) {
	facts := hl7v2.Told(m.raw, m.a.Options)
	patient, docs, fault, err := m.whose(ctx, facts.Identifiers)
	if err != nil || fault != nil {
		return m.orRefuse(fault), err
	}
	p, version, err := m.known(ctx, patient)
	if err != nil {
		return Outcome{}, err
	}
	visit := m.in.id("hl7-visit", patient.ID, facts.Visit)
	if hl7v2.Before(facts.At, p.Visits[visit].At) || facts.Visit == "" && hl7v2.Before(facts.At, p.At) {
		return m.late(ctx, patient)
	}
	if err := m.add(ctx, p, visit); err != nil || m.sub.refused() {
		return Outcome{Status: Rejected, Issues: m.sub.Issues}, err
	}
	now := said{m.sub.Beside[0].Hash, facts.At}
	p.said = now
	if facts.Visit != "" {
		p.Visits[visit] = now
	}
	body, err := json.Marshal(p)
	if err != nil {
		return Outcome{}, err
	}
	docs = append(docs, store.DocWrite{Kind: kindPerson, ID: patient.ID, Expect: version, Body: body})
	m.sub.Docs = func(Outcome) []store.DocWrite { return docs }
	m.sub.Key = "visit/" + visit
	return m.keep(ctx, patient)
}

// whose finds the Patient that the identifiers belong to, or a new one, and
// makes the docs that bind to it those that were not known. Identifiers of two
// people are a fault: they are never merged unseen.
func (m *hl7Message) whose(ctx context.Context, ids []string) (store.Key, []store.DocWrite, *fhir.Issue, error) {
	found := ""
	var fresh []string
	for _, id := range ids {
		id = m.in.id(kindIdentifier, m.sub.Sender.Owner(), id)
		doc, err := m.in.Store.Doc(ctx, kindIdentifier, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			fresh = append(fresh, id)
		case err != nil:
			return store.Key{}, nil, nil, err
		case found != "" && found != string(doc.Body):
			return store.Key{}, nil, &fhir.Issue{Code: fhir.NotFound, Source: "PID-3", Text: "these identifiers belong to two different people in what you have told before"}, nil
		default:
			found = string(doc.Body)
		}
	}
	k := key(found)
	if found == "" {
		k = store.Key{Type: "Patient", ID: newID()}
	}
	docs := make([]store.DocWrite, 0, len(fresh)+1)
	for _, id := range fresh {
		docs = append(docs, store.DocWrite{Kind: kindIdentifier, ID: id, Body: []byte(k.String())})
	}
	return k, docs, nil, nil
}

func (m *hl7Message) known(ctx context.Context, patient store.Key) (*person, int, error) {
	p := &person{Visits: map[string]said{}}
	doc, err := m.in.Store.Doc(ctx, kindPerson, patient.ID)
	if errors.Is(err, store.ErrNotFound) {
		return p, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	err = json.Unmarshal(doc.Body, p)
	if p.Visits == nil {
		p.Visits = map[string]said{}
	}
	return p, doc.Version, err
}

// late keeps a message that is older than what is known of its visit, and
// applies nothing of it.
func (m *hl7Message) late(ctx context.Context, patient store.Key) (Outcome, error) {
	out := Outcome{Status: Unchanged, Referral: patient, Issues: append(m.sub.Issues, fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.BusinessRule, Source: "MSH-7",
		Text: "a later message about this visit came before: this one is kept and changes nothing"})}
	return m.commitHL7(ctx, out, store.Commit{}, audit.Read, patient.String())
}

// add reads the message again as an addition to what was said before of the
// person and of the visit.
func (m *hl7Message) add(ctx context.Context, p *person, visit string) error {
	before, err := m.blob(ctx, p.Visits[visit].Merged)
	if err != nil {
		return err
	}
	of, err := m.blob(ctx, p.Merged)
	if err != nil {
		return err
	}
	merged, err := m.a.Merge(before, of, m.raw)
	if err != nil {
		return err
	}
	if err := m.read(merged); err != nil {
		return err
	}
	m.sub.Beside = []store.Blob{original(merged, "application/hl7-v2")}
	return nil
}

func (m *hl7Message) blob(ctx context.Context, hash string) ([]byte, error) {
	if hash == "" {
		return nil, nil
	}
	b, err := m.in.Store.Blob(ctx, hash)
	return b.Data, err
}

// keep stores the visit, and the Patient where something of it has changed.
func (m *hl7Message) keep(ctx context.Context, patient store.Key) (Outcome, error) {
	for _, e := range m.sub.Bundle.Entries() {
		if e.Type() != "Patient" {
			continue
		}
		m.sub.Known = map[string]store.Key{e.FullURL: patient}
		res, err := fhir.Sub(e.Resource)
		if err != nil {
			return Outcome{}, err
		}
		w, err := m.person(ctx, patient, res)
		if err != nil {
			return Outcome{}, err
		}
		m.sub.Writes = w
	}
	return m.in.Submit(ctx, m.sub)
}

// person is the write of a Patient; none when nothing has changed.
func (m *hl7Message) person(ctx context.Context, k store.Key, res fhir.Resource) ([]store.Write, error) {
	now := m.in.Clock().UTC().Truncate(time.Millisecond)
	was, err := m.in.Store.Read(ctx, auth.SystemView(), k)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	access := m.sub.Sender.Access("Patient")
	if was.Number > 0 {
		old, err := fhir.Decode(was.Body)
		if err == nil && !was.Deleted && contentHash(old) == contentHash(res) {
			return nil, nil
		}
		access = was.Access
	}
	return []store.Write{{View: auth.SystemView(), Key: k, Expect: was.Number, Body: res.Stamp(k.ID, was.Number+1, now), Updated: now,
		Index: m.in.Index(res), Access: access}}, nil
}
