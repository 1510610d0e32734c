package profiles

import (
	"regexp"
	"testing"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
)

func TestPrimitives(t *testing.T) {
	tests := []struct {
		p       primitive
		yes, no []string
	}{
		{pInteger, []string{"0", "-1", "2147483647", "-2147483648"}, []string{"2147483648", "-2147483649", "1.0", "01", "-", "", "1e3", "99999999999"}},
		{pUnsignedInt, []string{"0", "7"}, []string{"-1", "00", "2147483648"}},
		{pPositiveInt, []string{"1", "2147483647"}, []string{"0", "-1", "1.5"}},
		{pString, []string{"a", " a ", "a\tb\r\n", "ä", "\u00a0"}, []string{"", " ", "\n\t", "a\x00", "a\x1b"}},
		{pCode, []string{"a", "a b", "<="}, []string{"", " a", "a ", "a  b", "a\tb", "a\n"}},
		{pID, []string{"a", "A-1.b"}, []string{"", "a_b", "a b", "0123456789012345678901234567890123456789012345678901234567890123x"}},
		{pURI, []string{"http://a", "urn:x", "a"}, []string{"", "a b", "a\n"}},
		{pOID, []string{"urn:oid:1.2.3", "urn:oid:2.16.840"}, []string{"urn:oid:3.1", "urn:oid:1", "urn:oid:1.02", "1.2.3", "urn:oid:1..2", "urn:oid:", "urn:oid:1.2."}},
		{pUUID, []string{"urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}, []string{"urn:uuid:C757873D-EC9A-4326-A141-556F43239520", "c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:c757873d"}},
		{pBase64, []string{"YQ==", "YWI=", "YWJj", "YWJj\r\n YWJj\n"}, []string{"", "YQ=", "Y", "YQ==YQ==", "Y$==", "YW Jj", "===="}},
		{pDate, []string{"2024", "2024-02", "2024-02-29", "0001"}, []string{"2023-02-29", "2023-02-31", "2023-13", "2023-00", "2023-1-1", "0000", "20230101", "2023-01-01T00:00:00Z", "", "202", "2023-", "1900-02-29"}},
		{pDateTime, []string{"2024", "2024-02-29T23:59:60Z", "2024-01-01T00:00:00.123456789+14:00", "2024-01-01T00:00:00-13:59"},
			[]string{"2024-01-01T00:00:00", "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T00:00Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00+14:01", "2024-01-01T00:00:00+1400", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00z", "2024-02-31T00:00:00Z"}},
		{pInstant, []string{"2024-01-01T00:00:00Z", "2024-01-01T00:00:00.1Z"}, []string{"2024-01-01", "2024", "2024-01-01T00:00:00"}},
		{pTime, []string{"00:00:00", "23:59:59.9"}, []string{"24:00:00", "12:00", "12:00:00Z", "", "12:00:00."}},
	}
	for _, tt := range tests {
		for _, s := range tt.yes {
			if !tt.p.valid(s) {
				t.Errorf("%s: %q refused", primitives[tt.p].name, s)
			}
		}
		for _, s := range tt.no {
			if tt.p.valid(s) {
				t.Errorf("%s: %q accepted", primitives[tt.p].name, s)
			}
		}
	}
}

// FuzzPrimitives compares the hand-written checks with the specification's own
// patterns: what a check accepts, the pattern accepts. (Not the reverse: the
// patterns accept 31 February.)
func FuzzPrimitives(f *testing.F) {
	for _, s := range []string{"2024-02-29T23:59:60.5+14:00", "urn:oid:1.2.3", "YQ==", "a b", "-12", "12:00:00", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"} {
		f.Add(s)
	}
	patterns := map[primitive]*regexp.Regexp{}
	for p := pBoolean; int(p) < len(primitives); p++ {
		if re := definitions.R4().Type(primitives[p].name).Regex; re != "" && primitives[p].kind == fhir.String {
			patterns[p] = regexp.MustCompile("^(?:" + re + ")$")
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		for p, re := range patterns {
			if p.valid(s) && !re.MatchString(s) {
				t.Errorf("%s: %q accepted against the pattern", primitives[p].name, s)
			}
		}
	})
}
