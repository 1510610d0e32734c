package bench

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"slices"
)

const (
	fhirJSON = "application/fhir+json"
	// patientCount is how many persons the ServiceRequests are about.
	patientCount = 1000
	// fileRows is how many rows a police file has.
	fileRows = 100
)

// seed creates n resources of a document, and fails when one is not created.
func (s *session) seed(ctx context.Context, file, typ string, n int64) error {
	create, err := s.create(ctx, file, typ)
	if err != nil {
		return err
	}
	create.addr, create.next, create.clients = s.gateway.http, &s.next, s.cfg.Clients
	t, err := create.run(ctx, startTimeout, n, s.gateway)
	if err != nil {
		return err
	}
	if t.failed > 0 || t.done == 0 {
		return fmt.Errorf("prepare %s: %d of %d were refused: %s", typ, t.failed, t.requests, t.failure)
	}
	return nil
}

// create makes the load that creates resources of a document.
func (s *session) create(ctx context.Context, file, typ string) (load, error) {
	body, err := document(file)
	if err != nil {
		return load{}, err
	}
	token, err := s.token(ctx, s.practice)
	if err != nil {
		return load{}, err
	}
	request := call{method: "POST", path: "/fhir/" + typ, host: s.gateway.http, token: token,
		header: map[string]string{"Content-Type": fhirJSON}, body: body}.request()
	t := newTemplate(request)
	fill := s.filler()
	return load{
		requests: func(int) func(int64) []byte {
			t := t.clone()
			return func(n int64) []byte { return fill(t, n) }
		},
		judge: func(n int64, a answer) (int, int) { return s.created(typ, n, a) },
	}, nil
}

// filler returns what numbers a request and gives it one of the persons that
// are there now.
func (s *session) filler() func(*template, int64) []byte {
	persons, patients := s.persons, s.patients
	return func(t *template, n int64) []byte {
		t.setNumber(numberMark, n)
		t.set(nhsMark, persons[n%int64(len(persons))])
		if len(patients) > 0 {
			t.set(patientMark, patients[n%int64(len(patients))])
		}
		return t.b
	}
}

// created keeps what was created, for those who refer to it and read it.
func (s *session) created(typ string, n int64, a answer) (done, failed int) {
	id := createdID(a.location)
	if a.status != 201 || len(id) != len(patientMark) {
		return 0, 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch typ {
	case "Patient":
		s.patients = append(s.patients, id)
	case "ServiceRequest":
		s.stored = append(s.stored, storedRequest{id, n})
	}
	return 1, 0
}

// createdID is the id in a Location: …/Type/id/_history/1.
func createdID(location []byte) string {
	head, _, ok := bytes.Cut(location, []byte("/_history/"))
	if !ok {
		return ""
	}
	return string(head[bytes.LastIndexByte(head, '/')+1:])
}

func measureCreate(file string) runner {
	return func(ctx context.Context, s *session, row *Row) error {
		l, err := s.create(ctx, file, "ServiceRequest")
		if err != nil {
			return err
		}
		return s.load(ctx, row, l)
	}
}

// some makes sure that there is something to read and search.
func (s *session) some(ctx context.Context) error {
	if len(s.stored) > 0 {
		return nil
	}
	return s.seed(ctx, "plain.json", "ServiceRequest", 5*patientCount)
}

func measureRead(clients int) runner {
	return func(ctx context.Context, s *session, row *Row) error {
		l, err := s.get(ctx, "/fhir/ServiceRequest/"+idMark, func(t *template, r storedRequest) { t.set(idMark, r.id) })
		if err != nil {
			return err
		}
		l.clients, l.judge = clients, ok
		return s.load(ctx, row, l)
	}
}

// get makes the load that asks for what was stored, one after the other in an
// order that jumps about.
func (s *session) get(ctx context.Context, path string, set func(*template, storedRequest)) (load, error) {
	if err := s.some(ctx); err != nil {
		return load{}, err
	}
	token, err := s.token(ctx, s.practice)
	if err != nil {
		return load{}, err
	}
	t := newTemplate(call{method: "GET", path: path, host: s.gateway.http, token: token, header: map[string]string{"Accept": fhirJSON}}.request())
	return load{requests: func(int) func(int64) []byte {
		t := t.clone()
		return func(n int64) []byte {
			set(t, s.stored[n*7919%int64(len(s.stored))])
			return t.b
		}
	}}, nil
}

// found wants at least one match: a search that finds nothing is cheap and
// wrong.
func found(_ int64, a answer) (done, failed int) {
	if a.status != 200 || !bytes.Contains(a.body, []byte(`"mode":"match"`)) {
		return 0, 1
	}
	return 1, 0
}

// send makes the load that sends one document after the other to an address.
func (s *session) send(ctx context.Context, c client, to call, fill func(*template, int64) []byte) (load, error) {
	token, err := s.token(ctx, c)
	if err != nil {
		return load{}, err
	}
	to.method, to.host, to.token = "POST", s.gateway.http, token
	t := newTemplate(to.request(), rowMarks()...)
	return load{judge: ok, requests: func(int) func(int64) []byte {
		t := t.clone()
		return func(n int64) []byte { return fill(t, n) }
	}}, nil
}

func measureHL7(ctx context.Context, s *session, row *Row) error {
	body, err := document("referral.hl7")
	if err != nil {
		return err
	}
	l, err := s.send(ctx, s.practice, call{path: "/intake/hl7v2", header: map[string]string{"Content-Type": "application/hl7-v2"}, body: body}, s.filler())
	if err != nil {
		return err
	}
	return s.load(ctx, row, l)
}

func measureBaRS(ctx context.Context, s *session, row *Row) error {
	body, err := document("bars.json")
	if err != nil {
		return err
	}
	l, err := s.send(ctx, s.practice, call{path: "/fhir/$process-message", header: map[string]string{
		"Content-Type": fhirJSON, "NHSD-Target-Identifier": base64.StdEncoding.EncodeToString([]byte(barsTarget)),
		"X-Request-Id": barsRequestUUID, "X-Correlation-Id": barsRequestUUID,
	}, body: body}, s.filler())
	if err != nil {
		return err
	}
	return s.load(ctx, row, l)
}

func measureCSV(ctx context.Context, s *session, row *Row) error {
	body, err := notices(fileRows)
	if err != nil {
		return err
	}
	l, err := s.send(ctx, s.police, call{path: "/intake/ppn-csv", header: map[string]string{"Content-Type": "text/csv"}, body: body}, s.fillRows)
	if err != nil {
		return err
	}
	l.judge = taken
	return s.load(ctx, row, l)
}

// fillRows gives every row of a file its number and person.
func (s *session) fillRows(t *template, n int64) []byte {
	for i := range int64(fileRows) {
		row := n*fileRows + i
		t.setNumber(rowMark(int(i)), row)
		t.set(rowPerson(int(i)), s.persons[row%int64(len(s.persons))])
	}
	return t.b
}

// taken counts the rows of a result file that were stored.
func taken(_ int64, a answer) (done, failed int) {
	rows, err := csv.NewReader(bytes.NewReader(a.body)).ReadAll()
	if err != nil || a.status != 200 || len(rows) == 0 {
		return 0, fileRows
	}
	status := slices.Index(rows[0], "status")
	for _, r := range rows[1:] {
		if status >= 0 && r[status] == "created" {
			done++
		}
	}
	return done, fileRows - done
}

// measureToken asks for fewer tokens than one address may within a second.
func measureToken(ctx context.Context, s *session, row *Row) error {
	request := s.practice.tokenRequest(s.gateway.http)
	return s.load(ctx, row, load{limit: 100, judge: ok, requests: func(int) func(int64) []byte {
		return func(int64) []byte { return request }
	}})
}
