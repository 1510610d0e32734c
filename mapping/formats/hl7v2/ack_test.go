package hl7v2

import (
	"strings"
	"testing"
	"time"

	"trellis.example/fhir"
	"trellis.example/mapping/codec/hl7v2"
)

var noon = time.Date(2026, 3, 4, 10, 15, 31, 0, time.UTC)

func head(version, rest string) string {
	return "MSH|^~\\&|GPSYS^1.2.3^ISO|A81001^^ODS|SPGW|X9Y1Z^^ODS|20260304101530||REF^I12^REF_I12|GPS0000123|P|" + version + rest + "\r"
}

func TestBuildAck(t *testing.T) {
	nhs := fhir.Issue{Code: fhir.BadValue, Source: "PID-3.1", Text: "expected an NHS number"}
	table := fhir.Issue{Code: fhir.CodeInvalid, Source: "RF1-1.1", Text: "expected A, E, P or R"}
	warn := fhir.Issue{Code: fhir.Required, Severity: fhir.SeverityWarning, Source: "RF1", Text: "RF1 is absent"}
	tests := []struct {
		name, msg string
		code      Code
		faults    []fhir.Issue
		want      string
	}{
		{"accept", head("2.5.1", "|||AL|AL|GBR|UNICODE UTF-8"), AA, nil,
			"MSH|^~\\&|SPGW|X9Y1Z^^ODS|GPSYS^1.2.3^ISO|A81001^^ODS|20260304101531+0000||ACK^I12^ACK|T1|P|2.5.1||||||UNICODE UTF-8\rMSA|AA|GPS0000123\r"},
		{"error from 2.5 on", head("2.5", ""), AE, []fhir.Issue{nhs, table, warn},
			"MSH|^~\\&|SPGW|X9Y1Z^^ODS|GPSYS^1.2.3^ISO|A81001^^ODS|20260304101531+0000||ACK^I12^ACK|T1|P|2.5\rMSA|AE|GPS0000123\r" +
				"ERR||PID^1^3^1^1|102^Data type error^HL70357|E||||expected an NHS number\r" +
				"ERR||RF1^1^1^1^1|103^Table value not found^HL70357|E||||expected A, E, P or R\r" +
				"ERR||RF1^1|101^Required field missing^HL70357|W||||RF1 is absent\r"},
		{"error before 2.5", head("2.4", ""), AE, []fhir.Issue{nhs, warn, table},
			"MSH|^~\\&|SPGW|X9Y1Z^^ODS|GPSYS^1.2.3^ISO|A81001^^ODS|20260304101531+0000||ACK^I12^ACK|T1|P|2.4\rMSA|AE|GPS0000123|expected an NHS number\r" +
				"ERR|PID^1^3^102&Data type error&HL70357~RF1^1^1^103&Table value not found&HL70357\r"},
		{"no message structure in 2.3", head("2.3", ""), AA, nil,
			"MSH|^~\\&|SPGW|X9Y1Z^^ODS|GPSYS^1.2.3^ISO|A81001^^ODS|20260304101531+0000||ACK^I12|T1|P|2.3\rMSA|AA|GPS0000123\r"},
		{"own separators", "MSH#*!?%#GP*1#A8#SPGW##20260304##REF*I12#N1#P#2.5.1\r", AR, []fhir.Issue{{Code: fhir.NotSupported, Source: "MSH-9.1", Details: coding0357("200"), Text: "a#b"}},
			"MSH#*!?%#SPGW##GP*1#A8#20260304101531+0000##ACK*I12*ACK#T1#P#2.5.1\rMSA#AR#N1\rERR##MSH*1*9*1*1#200*Unsupported message type*HL70357#E####a?F?b\r"},
		{"broken body", head("2.5.1", "") + "pid|x\r", AR, []fhir.Issue{{Code: fhir.Structure, Source: "segment 2", Text: "expected a segment"}},
			"MSH|^~\\&|SPGW|X9Y1Z^^ODS|GPSYS^1.2.3^ISO|A81001^^ODS|20260304101531+0000||ACK^I12^ACK|T1|P|2.5.1\rMSA|AR|GPS0000123\rERR|||100^Segment sequence error^HL70357|E|||segment 2|expected a segment\r"},
		{"Latin-1 echoed in Latin-1", "MSH|^~\\&|Caf\xe9|A|B|C|||REF^I12|1|P|2.4||||||8859/1\r", AA, nil,
			"MSH|^~\\&|B|C|Caf\xe9|A|20260304101531+0000||ACK^I12^ACK|T1|P|2.4||||||8859/1\rMSA|AA|1\r"},
		{"unbound sender", head("2.5.1", ""), AR, []fhir.Issue{{Code: fhir.Forbidden, Text: "the sender is not known"}},
			"MSH|^~\\&|SPGW|X9Y1Z^^ODS|GPSYS^1.2.3^ISO|A81001^^ODS|20260304101531+0000||ACK^I12^ACK|T1|P|2.5.1\rMSA|AR|GPS0000123\rERR|||204^Unknown key identifier^HL70357|E||||the sender is not known\r"},
		{"unknown character set", "MSH|^~\\&|A|B|C|D|||REF^I12|1|P|2.4||||||ISO IR87\r", AR, nil,
			"MSH|^~\\&|C|D|A|B|20260304101531+0000||ACK^I12^ACK|T1|P|2.4\rMSA|AR|1\r"},
		{"nothing to answer", "hello", AR, nil, ""},
	}
	for _, tt := range tests {
		got := string(BuildAck([]byte(tt.msg), tt.code, tt.faults, noon, "T1"))
		if got != tt.want {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
		if got == "" {
			continue
		}
		if _, err := hl7v2.Parse([]byte(got)); err != nil {
			t.Errorf("%s: the acknowledgement is refused: %v", tt.name, err)
		}
	}
}

func TestCheck(t *testing.T) {
	msg := func(typ, id, proc, version string) string {
		return "MSH|^~\\&|A|B|C|D|20260304||" + typ + "|" + id + "|" + proc + "|" + version + "\r"
	}
	tests := []struct{ name, msg, want string }{
		{"refer", msg("REF^I12^REF_I12", "1", "P", "2.5.1"), ""},
		{"modify", msg("REF^I13", "1", "T", "2.3"), ""},
		{"cancel", msg("REF^I14", "1", "D", "2.8"), ""},
		{"status", msg("REF^I15", "1", "P", "2.5"), ""},
		{"response", msg("RRI^I12^RRI_I12", "1", "P", "2.5"), ""},
		{"discharge", msg("ADT^A03^ADT_A03", "1", "P", "2.5.1"), ""},
		{"scores", msg("ORU^R01^ORU_R01", "1", "P", "2.5.1"), ""},
		{"cancelled discharge", msg("ADT^A13", "1", "P", "2.5.1"), "201 MSH-9.2"},
		{"other event", msg("REF^I16", "1", "P", "2.5.1"), "201 MSH-9.2"},
		{"appointment", msg("SIU^S12", "1", "P", "2.5.1"), "200 MSH-9.1"},
		{"no type", msg("", "1", "P", "2.5.1"), "101 MSH-9.1"},
		{"no event", msg("REF", "1", "P", "2.5.1"), "101 MSH-9.2"},
		{"processing", msg("REF^I12", "1", "X", "2.5.1"), "202 MSH-11.1"},
		{"version", msg("REF^I12", "1", "P", "3.0"), "203 MSH-12.1"},
		{"control id", msg("REF^I12", "", "P", "2.5"), "101 MSH-10"},
		{"everything", msg("SIU^S12", "", "", ""), "200 MSH-9.1,101 MSH-10,202 MSH-11.1,203 MSH-12.1"},
	}
	for _, tt := range tests {
		h, err := ReadHeader([]byte(tt.msg))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, is := range h.Check() {
			got = append(got, is.Details.Code+" "+is.Source)
			if CodeFor([]fhir.Issue{is}) != AR {
				t.Errorf("%s: %s must give AR", tt.name, is.Source)
			}
		}
		if s := strings.Join(got, ","); s != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, s, tt.want)
		}
	}
}

func TestCodeFor(t *testing.T) {
	tests := []struct {
		issues []fhir.Issue
		want   Code
	}{
		{nil, AA},
		{[]fhir.Issue{{Code: fhir.Required, Severity: fhir.SeverityWarning}}, AA},
		{[]fhir.Issue{{Code: fhir.Required, Source: "PID"}}, AE},
		{[]fhir.Issue{{Code: fhir.Structure, Expression: "Bundle.entry[0].resource"}}, AE},
		{[]fhir.Issue{{Code: fhir.Structure, Source: "segment 3"}}, AR},
		{[]fhir.Issue{{Code: fhir.Required, Source: "PID"}, {Code: fhir.Transient}}, AR},
		{[]fhir.Issue{{Code: fhir.Forbidden}}, AR},
	}
	for _, tt := range tests {
		if got := CodeFor(tt.issues); got != tt.want {
			t.Errorf("CodeFor(%v) = %s, want %s", tt.issues, got, tt.want)
		}
	}
}

func TestAnswer(t *testing.T) {
	tests := []struct {
		accept, app string
		commit      bool
		outcome     Code
		want        Code
		send        bool
	}{
		{"", "", false, AA, AA, true},
		{"", "", true, AA, AA, true}, // original mode knows no commit codes
		{"", "", false, AE, AE, true},
		{"AL", "AL", false, AA, AA, true},
		{"AL", "AL", true, AA, CA, true},
		{"AL", "NE", true, AE, CE, true},
		{"AL", "NE", true, AR, CR, true},
		{"AL", "NE", false, AA, AA, true},
		{"", "AL", false, AA, AA, true},
		{"NE", "AL", false, AA, AA, false}, // the RRI answers
		{"NE", "AL", true, AE, AE, true},   // no RRI will come
		{"NE", "ER", false, AE, AE, true},
		{"NE", "SU", false, AE, AE, false},
		{"NE", "NE", false, AR, AR, false},
		{"SU", "NE", false, AA, AA, true},
		{"SU", "NE", false, AE, AE, false},
		{"ER", "NE", false, AA, AA, false},
		{"ER", "NE", true, AE, CE, true},
	}
	for _, tt := range tests {
		h := Header{AcceptAck: tt.accept, ApplicationAck: tt.app}
		if got, send := h.Answer(tt.outcome, AckPolicy{Commit: tt.commit}); got != tt.want || send != tt.send {
			t.Errorf("%q/%q commit %t %s: %s, %t; want %s, %t", tt.accept, tt.app, tt.commit, tt.outcome, got, send, tt.want, tt.send)
		}
	}
}

func TestHTTPStatus(t *testing.T) {
	for code, want := range map[Code]int{AA: 200, CA: 200, AE: 422, CE: 422, AR: 400, CR: 400} {
		if got := code.HTTPStatus(); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
	}
}

func TestHeader(t *testing.T) {
	h, err := ReadHeader([]byte(head("2.5.1", "|||AL|NE")))
	want := Header{
		SendingApplication: "GPSYS", SendingFacility: "A81001", ReceivingApplication: "SPGW", ReceivingFacility: "X9Y1Z",
		Type: "REF", Event: "I12", Structure: "REF_I12", ControlID: "GPS0000123", Processing: "P", Version: "2.5.1",
		AcceptAck: "AL", ApplicationAck: "NE",
	}
	if err != nil || h != want {
		t.Errorf("ReadHeader = %+v, %v", h, err)
	}
	if h.Key() != "GPSYS\x1fA81001\x1fGPS0000123" {
		t.Errorf("Key = %q", h.Key())
	}
	h, err = ReadHeader([]byte(head("2.5.1", "") + "PID|\xff\r"))
	if err == nil || h.ControlID != "GPS0000123" {
		t.Errorf("a broken message still has its header: %+v, %v", h, err)
	}
}
