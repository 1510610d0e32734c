package gateway_test

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"trellis.example/fhir"
	"trellis.example/profiles"
)

// barsGet reads as a BaRS sender does, with its headers.
func (s *system) barsGet(who, path string) answer {
	s.t.Helper()
	return s.do(who, http.MethodGet, path, barsHeaders(), nil)
}

// valid wants a document that the validator has nothing against.
func valid(t *testing.T, v *profiles.Validator, name string, body []byte) {
	t.Helper()
	res, err := fhir.Decode(body)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, is := range v.Validate(res, profiles.Options{}) {
		if is.IsError() {
			t.Errorf("%s: %s %s", name, is.Expression, is.Text)
		}
	}
}

// TestBaRSMessageDefinitions: what a receiver publishes of the messages it
// takes, asked for as senders ask. The published examples are not valid R4;
// ours are.
func TestBaRSMessageDefinitions(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	const dos = "https://fhir.nhs.uk/Id/dos-service-id|2000099999"
	tests := []struct {
		contexts []string
		want     int
	}{
		{nil, 3},
		{[]string{"2000099999"}, 3},
		{[]string{"2000099999", "sp1"}, 3},
		{[]string{dos, "sp1"}, 3},
		{[]string{"sp1", "https://fhir.nhs.uk/id/ODS-organization-code|Z9D01"}, 3},
		{[]string{"https://trellis.example/fhir/CodeSystem/local-usecases|sp1"}, 3},
		{[]string{"2000099999", "871731000000106"}, 3},
		{[]string{"2000099999", "a5t1"}, 0}, // another use case
		{[]string{"sp2"}, 0},
	}
	for _, tt := range tests {
		q := url.Values{"context": tt.contexts}
		a := s.want(s.barsGet("surgery", "/fhir/MessageDefinition?"+q.Encode()), 200)
		valid(t, v, q.Encode(), a.body)
		root := a.root(t)
		if got := root.Get("entry").Len(); got != tt.want || root.Get("type").Text() != "searchset" {
			t.Errorf("%v: %d definitions, want %d", tt.contexts, got, tt.want)
		}
	}
	a := s.want(s.barsGet("surgery", "/fhir/MessageDefinition?url="+url.QueryEscape("https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-request-referral")), 200)
	def := a.root(t).At("entry", 0, "resource")
	for _, place := range []fhir.Value{def.At("useContext", 0, "code", "code"), def.At("useContext", 0, "valueCodeableConcept", "coding", 0, "code"), def.Get("date"), def.At("focus", 0, "code")} {
		if place.Text() == "" {
			t.Errorf("the definition lacks an element: %s", def.Raw())
		}
	}
	s.want(s.barsGet("surgery", "/fhir/MessageDefinition/bars-message-servicerequest-request-cancelled"), 200)
	s.want(s.do("surgery", http.MethodGet, "/fhir/MessageDefinition?shoe=1", nil, nil), 400)
}

// TestBaRSMetadata: the statement names the messages, their address and the
// local use case; each definition can be read. It is open, and asked for with a
// sender's headers too.
func TestBaRSMetadata(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	a := s.want(s.barsGet("", "/fhir/metadata"), 200)
	valid(t, v, "metadata", a.body)
	m := a.root(t).At("messaging", 0)
	if got := m.At("endpoint", 0, "address").Text(); !strings.HasSuffix(got, "/fhir/$process-message") {
		t.Errorf("address %s", got)
	}
	if !strings.Contains(m.Get("documentation").Text(), "local") {
		t.Error("the statement does not say that the use case is local")
	}
	n := 0
	for sm := range m.Get("supportedMessage").Items() {
		canonical, _, _ := strings.Cut(sm.Get("definition").Text(), "|")
		found := s.want(s.get("surgery", "/fhir/MessageDefinition?url="+url.QueryEscape(canonical)), 200).root(t)
		if found.Get("entry").Len() != 1 || sm.Get("mode").Text() != "receiver" {
			t.Errorf("%s is not published", canonical)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
	if security := a.root(t).At("rest", 0, "security"); security.Kind() != fhir.Object {
		t.Error("rest.security is no object")
	}
}

// TestBaRSFindReferral: the forms in which a sender looks for what it sent.
func TestBaRSFindReferral(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		body := document(t, "message.json", "1")
		echo := s.want(s.do("surgery", http.MethodPost, process, barsHeaders(), body), 200).root(t)
		id := echo.At("entry", 1, "resource", "id").Text()
		tests := []struct {
			query string
			want  bool
		}{
			{"patient:identifier=https://fhir.nhs.uk/Id/nhs-number|9991234039", true},
			{"patient:identifier=9991234039", true},
			{"patient:identifier=https://fhir.nhs.uk/Id/nhs-number|9990000018", false},
			{"patient:name=Placeholder&patient:birthdate=1962-01-23&patient:address-postalcode=ZZ99 3CZ", true},
			{"patient:name=Placeholder&patient:birthdate=1962-01-24&patient:address-postalcode=ZZ99 3CZ", false},
			{"patient:identifier=9991234039&status=active", true},
			{"patient:identifier=9991234039&status=revoked", false},
			{"patient.identifier=9991234039", true},
		}
		for _, tt := range tests {
			q, err := url.ParseQuery(strings.ReplaceAll(tt.query, "+", "%2B"))
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range []answer{
				s.want(s.barsGet("surgery", "/fhir/ServiceRequest?"+q.Encode()), 200),
				s.want(s.post("surgery", "/fhir/ServiceRequest/_search", "application/x-www-form-urlencoded", []byte(q.Encode())), 200),
			} {
				found := a.root(t).Get("entry").Len() == 1 && a.root(t).At("entry", 0, "resource", "id").Text() == id
				if found != tt.want {
					t.Errorf("%s: found %t, want %t\n%s", tt.query, found, tt.want, a.body)
				}
			}
			if n := s.want(s.get("other", "/fhir/ServiceRequest?"+q.Encode()), 200).root(t).Get("entry").Len(); n != 0 {
				t.Errorf("%s: another practice finds %d", tt.query, n)
			}
		}
		a := s.want(s.barsGet("surgery", "/fhir/ServiceRequest/"+id), 200)
		if got := a.root(t).Get("id").Text(); got != id {
			t.Errorf("read %s, want %s", got, id)
		}
		s.want(s.get("surgery", "/fhir/ServiceRequest?patient:shoe=1"), 400)
		s.want(s.get("surgery", "/fhir/ServiceRequest?requester:name=x"), 400) // the standard's form is the patient's alone
		s.logsAreClean()
	})
}

// TestBaRSEcho: the answer is the message with our ids in it and nothing else
// changed: without the ids, and without the Encounter that is added, it is the
// message byte for byte, however it is spelt.
func TestBaRSEcho(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	for name, change := range map[string]func(doc []byte) []byte{
		"as it is": func(d []byte) []byte { return d },
		"ids of the sender": func(d []byte) []byte {
			return bytes.ReplaceAll(d, []byte(`"resourceType": "Condition",`), []byte(`"resourceType": "Condition", "id" : "theirs-1" ,`))
		},
		"type after another": func(d []byte) []byte {
			return bytes.ReplaceAll(d, []byte(`"resourceType": "Condition",`), []byte(`"language": "en", "resourceType": "Condition",`))
		},
		"escapes and spaces": func(d []byte) []byte {
			return bytes.ReplaceAll(d, []byte(`Robin`), []byte(`R\u006fbin\t\u00e9 \ud83d\ude00`))
		},
		"one line": func(d []byte) []byte { return bytes.ReplaceAll(d, []byte("\n"), nil) },
	} {
		doc := change(bytes.ReplaceAll(document(t, "message.json", uuid.NewString()[:6]), []byte(bundleID(t, document(t, "message.json", "1"))), []byte(uuid.NewString())))
		a := s.want(s.do("surgery", http.MethodPost, process, barsHeaders(), doc), 200)
		got, want := withoutIDs(t, a.body, true), withoutIDs(t, doc, false)
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the echo differs from the message\n%s\n%s", name, got, want)
		}
	}
}

// withoutIDs takes out the id of every entry's resource, with its comma and
// blanks, and of an echo the last entry.
func withoutIDs(t *testing.T, doc []byte, echo bool) []byte {
	t.Helper()
	b, err := fhir.Decode(doc)
	if err != nil {
		t.Fatal(err)
	}
	type span struct{ from, to int }
	var cut []span
	entries := slices.Collect(b.Root().Get("entry").Items())
	for i, e := range entries {
		if echo && i == len(entries)-1 {
			from, to := e.Span()
			for doc[from] != ',' {
				from--
			}
			cut = append(cut, span{from, to})
			continue
		}
		id := e.At("resource", "id")
		if !id.Exists() {
			continue
		}
		from, to := id.Span()
		from = bytes.LastIndex(doc[:from], []byte(`"id"`))
		for doc[from] != ',' {
			from--
		}
		cut = append(cut, span{from, to})
	}
	var out []byte
	at := 0
	for _, c := range cut {
		out = append(out, doc[at:c.from]...)
		at = c.to
	}
	out = append(out, doc[at:]...)
	// The sender's id had blanks of its own around it.
	return bytes.ReplaceAll(out, []byte(`"Condition" ,`), []byte(`"Condition",`))
}

// TestBaRSOnTime: answers come at once; who asks for later is told that it is
// not done.
func TestBaRSOnTime(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	body := document(t, "message.json", "1")
	for query, want := range map[string]string{
		"async=true":           "501 REC_NOT_IMPLEMENTED not-supported",
		"response-url=https:x": "501 REC_NOT_IMPLEMENTED not-supported",
		"shoe=1":               "400 REC_BAD_REQUEST not-supported",
	} {
		a := s.do("surgery", http.MethodPost, process+"?"+query, barsHeaders(), body)
		if got := strings.TrimSpace(a.Status[:3]) + " " + barsCode(t, a); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if n := len(s.referrals("worker")); n != 0 {
		t.Errorf("%d referrals were made", n)
	}
}
