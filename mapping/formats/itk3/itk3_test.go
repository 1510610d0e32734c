package itk3

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"trellis.example/fhir"
)

const messageXML = `<?xml version="1.0"?><Bundle xmlns="http://hl7.org/fhir"><type value="message"/><entry><fullUrl value="urn:uuid:1"/><resource><MessageHeader><id value="m&amp;1"/>` +
	`<extension url="` + Handling + `"><extension url="BusAckRequested"><valueBoolean value="true"/></extension><extension url="InfAckRequested"><valueBoolean value="false"/></extension>` +
	`<extension url="SenderReference"><valueString value="REF-1"/></extension></extension><event><code value="ITK003D"/></event><sender><reference value="urn:uuid:2"/></sender></MessageHeader></resource></entry>` +
	`<entry><fullUrl value="urn:uuid:2"/><resource><Organization><identifier><value value="Z9H01"/></identifier></Organization></resource></entry></Bundle>`

var (
	from = Party{ODS: "Z9D01", Name: "Demo & Co"}
	now  = time.Date(2026, 3, 5, 9, 0, 0, 0, time.FixedZone("", 3600))
)

func TestHead(t *testing.T) {
	root, err := FromXML([]byte(messageXML))
	if err != nil {
		t.Fatal(err)
	}
	want := Head{MessageID: "m&1", SenderReference: "REF-1", Event: "ITK003D", BusAck: true, Sender: "Z9H01"}
	if got := HeadOf(root); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := HeadOf(nil); !got.InfAck || !got.BusAck {
		t.Errorf("a message that does not tell asks for both: %+v", got)
	}
}

// TestReceipt: what the sender is told, in the syntax of its message.
func TestReceipt(t *testing.T) {
	tests := []struct {
		name     string
		doc      string
		err      error
		repeated bool
		code     string
		response string
		text     string
	}{
		{"taken", messageXML, nil, false, "20013", "ok", ""},
		{"taken before", messageXML, nil, true, "20007", "fatal-error", ""},
		{"a conflict", messageXML, fhir.Errorf(fhir.Duplicate, "received before"), false, "20007", "fatal-error", "received before"},
		{"no XML", "<Bundle", fhir.Errorf(fhir.Structure, "not well-formed"), false, "10009", "fatal-error", "not well-formed"},
		{"not allowed", messageXML, fhir.Errorf(fhir.Forbidden, "no"), false, "20012", "fatal-error", "no"},
		{"a faulty payload", messageXML, &fhir.Error{Status: 422, Issues: []fhir.Issue{{Code: fhir.BadValue, Source: "/Bundle/entry", Text: "expected a date"}}}, false, "20009", "fatal-error", "/Bundle/entry: expected a date"},
		{"a faulty header", messageXML, &fhir.Error{Status: 422, Issues: []fhir.Issue{{Code: fhir.BadValue, Source: "/Bundle/entry[1]/resource/MessageHeader/event", Text: "x"}}}, false, "20006", "fatal-error", "MessageHeader"},
		{"our fault", messageXML, errors.New("secret"), false, "", "", ""},
		{"JSON", `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"MessageHeader","id":"m&1","event":{"code":"ITK003D"}}}]}`, nil, false, "20013", "ok", ""},
	}
	for _, tt := range tests {
		body, typ := Receipt([]byte(tt.doc), tt.err, tt.repeated, from, now)
		if tt.code == "" {
			if body != nil {
				t.Errorf("%s: %s", tt.name, body)
			}
			continue
		}
		var root *Node
		var err error
		if typ == "application/fhir+xml" {
			wellFormed(t, body)
			root, err = FromXML(body)
		} else {
			root, err = FromJSON(body)
		}
		if err != nil {
			t.Fatalf("%s: %v\n%s", tt.name, err, body)
		}
		h := HeadOf(root)
		outcome := root.Get("entry")
		for e := range root.All("entry") {
			outcome = e.Get("resource")
		}
		if got := outcome.Peek("issue", "details", "coding", "code"); got != tt.code || h.BusAck || h.InfAck || h.Event != ResponseEvent || h.Sender != "Z9D01" {
			t.Errorf("%s: code %s %+v\n%s", tt.name, got, h, body)
		}
		if got := HeaderOf(root).Peek("response", "code"); got != tt.response {
			t.Errorf("%s: response %s, want %s", tt.name, got, tt.response)
		}
		if strings.Contains(tt.doc, "m&") && HeaderOf(root).Peek("response", "identifier") != "m&1" {
			t.Errorf("%s: answers %s", tt.name, HeaderOf(root).Peek("response", "identifier"))
		}
		if got := outcome.Peek("issue", "diagnostics"); !strings.Contains(got, tt.text) {
			t.Errorf("%s: says %q", tt.name, got)
		}
	}
}

func wellFormed(t *testing.T, b []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v: %s", err, b)
		}
	}
}

// TestBothSyntaxes: an acknowledgement says the same in JSON and in XML.
func TestBothSyntaxes(t *testing.T) {
	c, _ := Lookup("20009")
	a := Ack{MessageID: "m", SenderReference: `a"<`, Code: c, Text: "x & y", Transient: true, From: from, At: now}
	x, err := FromXML(a.XML())
	if err != nil {
		t.Fatal(err)
	}
	j, err := FromJSON(a.JSON())
	if err != nil || !json.Valid(a.JSON()) {
		t.Fatal(err)
	}
	if got, want := flat(x), flat(j); got != want {
		t.Errorf("XML %s\nJSON %s", got, want)
	}
	if !strings.Contains(string(a.JSON()), `"timestamp":"2026-03-05T08:00:00+00:00"`) {
		t.Errorf("the stamp is not UTC: %s", a.JSON())
	}
}

func flat(n *Node) string {
	s := n.Type + n.Name + "=" + n.value + "("
	for k := range n.Kids() {
		s += flat(k)
	}
	return s + ")"
}

func TestCodesAreInOrder(t *testing.T) {
	for i, c := range codes {
		if got, ok := Lookup(c.Code); !ok || got != c || i > 0 && codes[i-1].Code >= c.Code {
			t.Errorf("%s is not found", c.Code)
		}
		if c.IsBusiness() != (c.Code > "30000") {
			t.Errorf("%s: business %t", c.Code, c.IsBusiness())
		}
	}
	if _, ok := Lookup("1"); ok {
		t.Error("an unknown code is found")
	}
}

func TestNumbering(t *testing.T) {
	root, err := FromXML([]byte(`<Bundle xmlns="http://hl7.org/fhir">` + strings.Repeat(`<entry><fullUrl value="x"/></entry>`, 40) + `</Bundle>`))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var last *Node
	for l := range root.Unread() {
		n++
		last = l
	}
	if n != 40 || last.Place() != "/Bundle/entry[40]/fullUrl" {
		t.Errorf("%d leaves, the last at %s", n, last.Place())
	}
}
