package bench

import (
	"bytes"
	"context"
	"net/url"

	"trellis.example/fhir/xml"
)

const fhirXML = "application/fhir+xml"

// Systems of the identifiers in existing records.
const (
	personSystem = "https://surgery.example/person"
	nhsSystem    = "https://fhir.nhs.uk/Id/nhs-number"
	personPrefix = "PERSON-"
	familyPrefix = "Benchmark"
)

// ask makes the load in which the practice asks for existing records of its
// own, person after person in an order that jumps about.
func (s *session) ask(ctx context.Context, c call) (load, error) {
	token, err := s.token(ctx, s.practice)
	if err != nil {
		return load{}, err
	}
	c.host, c.token = s.gateway.http, token
	t := newTemplate(c.request(), requestMark)
	own := int64(s.size / len(heldTypes()) / share)
	return load{judge: ok, requests: func(int) func(int64) []byte {
		t := t.clone()
		return func(n int64) []byte {
			p := person(n * 7919 % own * share)
			t.setNumber(numberMark, int64(p))
			t.set(nhsMark, s.persons[p])
			t.set(patientMark, p.id(0))
			t.set(requestMark, p.id(1))
			return t.b
		}
	}}, nil
}

// measureAsk measures a GET of existing records.
func measureAsk(path, accept string, judge func(int64, answer) (int, int)) runner {
	return func(ctx context.Context, s *session, row *Row) error {
		l, err := s.ask(ctx, call{method: "GET", path: path, header: map[string]string{"Accept": accept}})
		if err != nil {
			return err
		}
		l.judge = judge
		return s.load(ctx, row, l)
	}
}

func measureFind(path string) runner { return measureAsk(path, fhirJSON, found) }

// measurePost measures a search by POST, as one asks with what must not stand
// in an address.
func measurePost(typ, q string) runner {
	return func(ctx context.Context, s *session, row *Row) error {
		l, err := s.ask(ctx, call{method: "POST", path: "/fhir/" + typ + "/_search", body: []byte(q),
			header: map[string]string{"Accept": fhirJSON, "Content-Type": "application/x-www-form-urlencoded"}})
		if err != nil {
			return err
		}
		l.judge = found
		return s.load(ctx, row, l)
	}
}

// The searches of existing records. A mark is left as it is by the escapes of
// an address.
func findIdentifier() string {
	return "/fhir/ServiceRequest?identifier=" + url.QueryEscape(referralSystem+"|"+referralPrefix) + numberMark
}
func findSubject() string {
	return "/fhir/ServiceRequest?subject=Patient/" + patientMark + "&_count=10"
}
func findStatus() string { return "/fhir/ServiceRequest?status=active&_count=10" }
func findByPatient() string {
	return "/fhir/ServiceRequest?patient.identifier=" + url.QueryEscape(personSystem+"|"+personPrefix) + numberMark
}

// byNHSNumber is asked by POST: an NHS number must not stand in an address.
func byNHSNumber() string  { return "patient.identifier=" + url.QueryEscape(nhsSystem+"|") + nhsMark }
func findByFamily() string { return "/fhir/Task?patient.family=" + familyPrefix + numberMark }

// measureXML creates a request in XML.
func measureXML(ctx context.Context, s *session, row *Row) error {
	body, err := document("plain.json")
	if err != nil {
		return err
	}
	if body, err = xml.Encode(body); err != nil {
		return err
	}
	l, err := s.send(ctx, s.practice, call{path: "/fhir/ServiceRequest", body: body,
		header: map[string]string{"Content-Type": fhirXML, "Accept": fhirXML}}, s.filler())
	if err != nil {
		return err
	}
	l.judge = status(201)
	return s.load(ctx, row, l)
}

// measureConditional creates what is not there yet under a condition.
func measureConditional(ctx context.Context, s *session, row *Row) error {
	body, err := document("plain.json")
	if err != nil {
		return err
	}
	l, err := s.send(ctx, s.practice, call{path: "/fhir/ServiceRequest", body: body, header: map[string]string{"Content-Type": fhirJSON,
		"If-None-Exist": "identifier=" + url.QueryEscape(referralSystem+"|"+referralPrefix) + numberMark}}, s.filler())
	if err != nil {
		return err
	}
	l.judge = status(201)
	return s.load(ctx, row, l)
}

// transactionEntries is how many entries a measured transaction has.
const transactionEntries = 100

func measureTransaction(ctx context.Context, s *session, row *Row) error {
	body, err := transaction(transactionEntries)
	if err != nil {
		return err
	}
	l, err := s.send(ctx, s.practice, call{path: "/fhir", body: body, header: map[string]string{"Content-Type": fhirJSON}}, s.filler())
	if err != nil {
		return err
	}
	return s.load(ctx, row, l)
}

func status(want int) func(int64, answer) (int, int) {
	return func(_ int64, a answer) (done, failed int) {
		if a.status == want {
			return 1, 0
		}
		return 0, 1
	}
}

// listed wants an answer with at least one entry.
func listed(_ int64, a answer) (done, failed int) {
	if a.status != 200 || !bytes.Contains(a.body, []byte(`"entry":[{`)) {
		return 0, 1
	}
	return 1, 0
}
