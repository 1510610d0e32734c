package hl7v2

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"trellis.example/fhir"
)

const sample = "MSH|^~\\&|GPSYS^1.2.3^ISO|A81001^^ODS|SPGW|X9Y1Z^^ODS|20260304101530+0000||REF^I12^REF_I12|GPS0000123|P|2.5.1|||AL|AL|GBR|UNICODE UTF-8\r" +
	"RF1|P^Pending^HL70283|R^Routine^HL70280|SOC^Social prescribing^L|||REF-2026-0001^A81001|20260304|20260604|20260304101500\r" +
	"PRD|RP^Referring Provider^HL70286|Okonkwo^Ada^^^Dr|1 Surgery Road^^Middlesbrough^^TS1 1AA^GBR^B|Riverside Surgery^^A81001\r" +
	"PRD|RT^Referred to Provider^HL70286~CP||2 Quay Street^^Middlesbrough|Tees Valley^^X9Y1Z|01632960002^WPN^PH\r" +
	"PID|1||9991001018^^^NHS^NH~MRN4471^^^A81001&1.2&ISO^PI||Whitfield^Margaret^Anne^^Mrs^^L||19481102|F|\"\"||14 Quay Lane^^Middlesbrough\r" +
	"NTE|1|P|Hearing aid user \\F\\ prefers texts.|RE^Remark^HL70364\r"

func mustParse(t testing.TB, s string) *Message {
	t.Helper()
	m, err := Parse([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestGet(t *testing.T) {
	m := mustParse(t, sample)
	tests := []struct{ place, want string }{
		{"MSH-1", "|"},
		{"MSH-2", "^~\\&"},
		{"MSH-3.1", "GPSYS"},
		{"MSH-9.3", "REF_I12"},
		{"MSH-18", "UNICODE UTF-8"},
		{"MSH-19", ""},
		{"RF1-6.2", "A81001"},
		{"PRD-2.1", "Okonkwo"},
		{"PRD[2]-4.3", "X9Y1Z"},
		{"PRD[2]-1[2].1", "CP"},
		{"PRD[3]-1", ""},
		{"PID-3.1", "9991001018"},
		{"PID-3[2].1", "MRN4471"},
		{"PID-3[2].4.2", "1.2"},
		{"PID-7.1", "19481102"}, // the first component of a value without components
		{"PID-7", "19481102"},
		{"PID-9", ""}, // the explicit null has no text
		{"PID-3[3].1", ""},
		{"NTE-3", "Hearing aid user | prefers texts."},
		{"ZZZ-1", ""},
		{"pid-1", ""},
	}
	for _, tt := range tests {
		if got := m.Get(tt.place); got != tt.want {
			t.Errorf("Get(%q) = %q, want %q", tt.place, got, tt.want)
		}
	}
}

func TestNullIsNotEmpty(t *testing.T) {
	p := mustParse(t, sample).First("PID")
	if v := p.Field(9).Rep(0); !v.IsNull() || v.Empty() {
		t.Error(`PID-9 "" must be null and not empty`)
	}
	if v := p.Field(10).Rep(0); v.IsNull() || !v.Empty() {
		t.Error("PID-10 must be empty and not null")
	}
}

func TestPlaces(t *testing.T) {
	m := mustParse(t, sample)
	tests := []struct {
		v    Value
		want string
	}{
		{m.First("PID").Field(7).Rep(0).Component(1), "PID-7.1"},
		{m.First("PID").Field(3).Rep(1).Component(4).Sub(2), "PID-3[2].4.2"},
		{m.Segment(3).Field(3).Rep(0).Component(1), "PRD[2]-3.1"},
		{m.Segment(3).Field(3).Rep(0), "PRD[2]-3"},
	}
	for _, tt := range tests {
		if got := tt.v.Place(); got != tt.want {
			t.Errorf("Place() = %q, want %q", got, tt.want)
		}
		if p, ok := ParsePath(tt.want); !ok || !bytes.Equal(m.At(p).Raw(), tt.v.Raw()) {
			t.Errorf("ParsePath(%q) does not lead back to the value", tt.want)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	for _, s := range []string{"", "PI", "PID-", "PID-0", "PID-3.", "PID-3[0].1", "PID[x]-1", "PID-3[2", "PID-+3", "PID-3.1.2.3", "PID-99999999", "pid-3"} {
		if p, ok := ParsePath(s); ok {
			t.Errorf("ParsePath(%q) = %+v, want refusal", s, p)
		}
	}
}

func TestSeparatorsAreTheSendersOwn(t *testing.T) {
	m := mustParse(t, "MSH#*!?%#APP*1%2#FAC#\rPID#1##77*A!88*B#a?S?b?F?c\r")
	for place, want := range map[string]string{
		"MSH-2": "*!?%", "MSH-3.2.2": "2", "MSH-4": "FAC",
		"PID-3[2].2": "B", "PID-4": "a*b#c",
	} {
		if got := m.Get(place); got != want {
			t.Errorf("Get(%q) = %q, want %q", place, got, want)
		}
	}
}

func TestTruncationCharacter(t *testing.T) {
	m := mustParse(t, "MSH|^~\\&#|APP|FAC\rPID|x\\P\\y\r")
	if got := m.Get("MSH-2"); got != "^~\\&#" {
		t.Errorf("MSH-2 = %q", got)
	}
	if got := m.Get("MSH-3"); got != "APP" {
		t.Errorf("MSH-3 = %q", got)
	}
	if got := m.Get("PID-1"); got != "x#y" {
		t.Errorf(`\P\ = %q`, got)
	}
}

func TestTerminators(t *testing.T) {
	for _, eol := range []string{"\r", "\n", "\r\n", "\r\n\r\n"} {
		m := mustParse(t, strings.ReplaceAll(sample, "\r", eol))
		if m.Len() != 6 || m.Get("PID-7") != "19481102" {
			t.Errorf("terminator %q: %d segments", eol, m.Len())
		}
		if got := string(m.Bytes()); got != sample {
			t.Errorf("terminator %q: Bytes() = %q", eol, got)
		}
	}
	if m := mustParse(t, strings.TrimSuffix(sample, "\r")); m.Get("NTE-4.2") != "Remark" {
		t.Error("the last segment may lack its terminator")
	}
}

func TestParseFaults(t *testing.T) {
	tests := []struct {
		name, in string
		code     fhir.Code
		source   string
	}{
		{"empty", "", fhir.Structure, "segment 1"},
		{"not HL7", "hello", fhir.Structure, "segment 1"},
		{"byte order mark", "\xef\xbb\xbf" + sample, fhir.Structure, "segment 1"},
		{"batch", "FHS|^~\\&|\rMSH|^~\\&|", fhir.Structure, "segment 1"},
		{"short", "MSH|^~", fhir.Structure, "MSH-2"},
		{"three encoding characters", "MSH|^~\\|APP|FAC\r", fhir.Structure, "MSH-2"},
		{"six encoding characters", "MSH|^~\\&#!|APP\r", fhir.Structure, "MSH-2"},
		{"separators alike", "MSH|^^\\&|APP\r", fhir.Structure, "MSH-2"},
		{"letter as separator", "MSHa^~\\&aAPP\r", fhir.Structure, "MSH-2"},
		{"segment name", "MSH|^~\\&|APP\rpid|1\r", fhir.Structure, "segment 2"},
		{"segment without separator", "MSH|^~\\&|APP\rPIDX|1\r", fhir.Structure, "segment 2"},
		{"second MSH", "MSH|^~\\&|APP\rMSH|^~\\&|APP\r", fhir.Structure, "segment 2"},
		{"control character", "MSH|^~\\&|APP\rPID|a\x00b\r", fhir.Invalid, "PID"},
		{"unknown charset", "MSH|^~\\&|A|B|C|D|||REF^I12|1|P|2.4||||||ISO IR87\r", fhir.NotSupported, "MSH-18"},
		{"two charsets", "MSH|^~\\&|A|B|C|D|||REF^I12|1|P|2.4||||||ASCII~UNICODE UTF-8\r", fhir.NotSupported, "MSH-18"},
		{"ASCII exceeded", "MSH|^~\\&|A|B|C|D|||REF^I12|1|P|2.4\rPID|\xc3\xa9\r", fhir.NotSupported, "MSH-18"},
		{"not UTF-8", "MSH|^~\\&|A|B|C|D|||REF^I12|1|P|2.4||||||UNICODE UTF-8\rPID|\xe9\r", fhir.Invalid, "segment 2"},
		{"Windows-1252", "MSH|^~\\&|A|B|C|D|||REF^I12|1|P|2.4||||||8859/1\rPID|\x92\r", fhir.NotSupported, "MSH-18"},
		{"too many segments", "MSH|^~\\&|A\r" + strings.Repeat("NTE|\r", MaxSegments), fhir.TooLong, ""},
	}
	for _, tt := range tests {
		_, err := Parse([]byte(tt.in))
		e, ok := errors.AsType[*fhir.Error](err)
		if !ok {
			t.Errorf("%s: error %v, want *fhir.Error", tt.name, err)
			continue
		}
		if is := e.Issues[0]; is.Code != tt.code || is.Source != tt.source {
			t.Errorf("%s: %s at %q, want %s at %q", tt.name, is.Code, is.Source, tt.code, tt.source)
		}
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := Parse([]byte("MSH|^~\\&|APP\rpid|1\rNTE|a\x01\rNTE|\x02\r"))
	if e := fhir.AsError(err); len(e.Issues) != 3 || e.Issues[2].Source != "NTE[2]" {
		t.Errorf("faults = %v", e.Issues)
	}
}

func TestCharsets(t *testing.T) {
	msh := "MSH|^~\\&|A|B|C|D|||REF^I12|1|P|2.4||||||"
	tests := []struct {
		charset, raw, want string
	}{
		{"8859/1", "Caf\xe9|x", "Café"},
		{"UNICODE UTF-8", "Café|x", "Café"},
		{"ASCII", "Cafe|x", "Cafe"},
		{"", "Cafe|x", "Cafe"},
	}
	for _, tt := range tests {
		in := msh + tt.charset + "\rPID|" + tt.raw + "\r"
		m := mustParse(t, in)
		if got := m.Get("PID-1"); got != tt.want {
			t.Errorf("%s: PID-1 = %q, want %q", tt.charset, got, tt.want)
		}
		if got := m.Get("PID-2"); got != "x" {
			t.Errorf("%s: PID-2 = %q", tt.charset, got)
		}
		if got := m.Bytes(); string(got) != in {
			t.Errorf("%s: Bytes() = %q, want %q", tt.charset, got, in)
		}
	}
}

func TestNoAllocation(t *testing.T) {
	m, in := mustParse(t, sample), []byte(sample)
	p, _ := ParsePath("PID-3[2].4.2")
	got := testing.AllocsPerRun(100, func() {
		if err := m.Parse(in); err != nil || m.At(p).Text() != "1.2" {
			t.Fatal("parse failed")
		}
	})
	if got != 0 {
		t.Errorf("%v allocations for a message, want 0", got)
	}
}

func BenchmarkParse(b *testing.B) {
	m, in := mustParse(b, sample), []byte(sample)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Parse(in); err != nil {
			b.Fatal(err)
		}
	}
}
