package fhir

import "testing"

func TestParseReference(t *testing.T) {
	tests := []struct {
		in                string
		kind              ReferenceKind
		base, typ, id, vr string
		ok                bool
	}{
		{"Patient/1", RefRelative, "", "Patient", "1", "", true},
		{"Patient/1/_history/2", RefRelative, "", "Patient", "1", "2", true},
		{"https://a.example/fhir/Patient/1", RefAbsolute, "https://a.example/fhir", "Patient", "1", "", true},
		{"http://a.example/r4/Patient/1/_history/3", RefAbsolute, "http://a.example/r4", "Patient", "1", "3", true},
		{"https://a.example/Patient/1", RefAbsolute, "https://a.example", "Patient", "1", "", true},
		{"https://Patient/1", RefOther, "", "", "", "", true}, // Patient is the host
		{"https://a.example/page", RefOther, "", "", "", "", true},
		{"urn:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8", RefURN, "", "", "", "", true},
		{"#p1", RefContained, "", "", "", "", true},
		{"#", RefContained, "", "", "", "", true},
		{"#a b", RefOther, "", "", "", "", false},
		{"#a_b", RefContained, "", "", "", "", false}, // not an id
		{"Patient?identifier=x", RefConditional, "", "Patient", "", "", true},
		{"patient/1", RefOther, "", "", "", "", true},
		{"Patient/1/2", RefOther, "", "", "", "", true},
		{"", RefOther, "", "", "", "", false},
		{"Patient/ 1", RefOther, "", "", "", "", false},
	}
	for _, tt := range tests {
		r, ok := ParseReference(tt.in)
		if ok != tt.ok || r.Kind != tt.kind || r.Base != tt.base || r.Type != tt.typ || r.ID != tt.id || r.Version != tt.vr {
			t.Errorf("ParseReference(%q) = %+v, %t", tt.in, r, ok)
		}
	}
}

func TestParseCanonical(t *testing.T) {
	for _, s := range []string{"http://a/b", "http://a/b|1.0", "http://a/b|1.0#x", "http://a/b#x"} {
		if got := ParseCanonical(s).String(); got != s {
			t.Errorf("ParseCanonical(%q) = %q", s, got)
		}
	}
	if c := ParseCanonical("http://a|2"); !c.Matches("http://a", "2") || c.Matches("http://a", "3") {
		t.Error("a version must match")
	}
}

func TestNHSNumber(t *testing.T) {
	tests := []struct {
		in   string
		want bool
	}{
		{"9476719931", true}, {"4857773456", false}, // printed in public examples, yet its check digit should be 7
		{"9912003888", true}, {"9000000009", true},
		{"9476719932", false}, {"947671993", false}, {"94767199310", false}, {"947671993a", false},
		{"", false}, {"947 671 9931", false},
		{"1000000010", false}, // check digit 10 is never issued
	}
	for _, tt := range tests {
		if got := NHSNumber(tt.in); got != tt.want {
			t.Errorf("NHSNumber(%q) = %t", tt.in, got)
		}
	}
	if s, ok := CleanNHSNumber("947 671-9931"); s != "9476719931" || !ok {
		t.Errorf("CleanNHSNumber = %q, %t", s, ok)
	}
	for s, want := range map[string]bool{
		"https://fhir.nhs.uk/Id/nhs-number": true, "HTTP://fhir.nhs.uk/id/nhs-number": true,
		"https://fhir.nhs.uk/Id/nhs-numbers": false, "": false, "http": false, "urn:x": false,
	} {
		if IsNHSNumberSystem(s) != want {
			t.Errorf("IsNHSNumberSystem(%q) is not %t", s, want)
		}
	}
}

func TestSNOMED(t *testing.T) {
	tests := []struct {
		in   string
		want bool
	}{
		{"871731000000106", true}, {"871691000000100", true}, {"73211009", true}, {"138875005", true},
		{"871731000000107", false}, {"73211008", false}, {"12345", false}, {"073211009", false}, {"7321100a", false},
		{"1234567890123456789", false}, {"", false},
	}
	for _, tt := range tests {
		if got := SNOMED(tt.in); got != tt.want {
			t.Errorf("SNOMED(%q) = %t", tt.in, got)
		}
	}
	if !SNOMEDConcept("73211009") || SNOMEDConcept("2549321019") {
		t.Error("SNOMEDConcept takes a description for a concept, or refuses a concept")
	}
}

func TestEntries(t *testing.T) {
	in := `{"resourceType":"Bundle","type":"transaction","entry":[` +
		`{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","name":[{"given":["a","b"]}]},"request":{"method":"POST","url":"Patient","ifNoneExist":"x=y"}},` +
		`{"request":{"method":"DELETE","url":"Patient/2"}},{"resource" : {"resourceType":"Task","status":"x"} } ]}`
	b, err := Decode([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, e := range b.Entries() {
		got = append(got, e.Method+" "+e.URL+" "+e.FullURL+" "+e.Type()+" "+e.IfNoneExist)
		r, err := e.Decode()
		if (err != nil) != (i == 1) {
			t.Fatalf("entry %d: %v", i, err)
		}
		if err != nil {
			continue
		}
		again, err := Decode(r.JSON())
		if err != nil || again.Type() != r.Type() || again.tree.Size() != r.tree.Size() {
			t.Fatalf("entry %d: the part differs from its bytes parsed alone: %v", i, err)
		}
		for j := range r.tree.nodes {
			if r.tree.nodes[j] != again.tree.nodes[j] {
				t.Errorf("entry %d node %d: %+v, parsed alone %+v", i, j, r.tree.nodes[j], again.tree.nodes[j])
			}
		}
	}
	want := []string{"POST Patient urn:uuid:1 Patient x=y", "DELETE Patient/2   ", "   Task "}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("entry %d: got %q, want %q", i, got[i], want[i])
		}
	}
}

func TestPartsDoNotAllocate(t *testing.T) {
	ok := false
	n := testing.AllocsPerRun(100, func() {
		ParseReference("https://a.example/fhir/Patient/1/_history/3")
		ParseCanonical("http://a/b|1.0")
		ok = NHSNumber("9476719931") && SNOMED("871731000000106")
	})
	if n != 0 || !ok {
		t.Errorf("%v allocations", n)
	}
}

// FuzzEntries checks that a part taken out of a Bundle is the same as its bytes
// parsed alone, whatever stands around it.
func FuzzEntries(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Bundle","entry":[{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","a":[{"\u0062":[1,"x\"y"]},null]}},{}]}`))
	f.Add([]byte(`{"resourceType":"Bundle","entry":{"resource":1}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := Decode(in)
		if err != nil {
			return
		}
		for _, e := range b.Entries() {
			r, err := e.Decode()
			if err != nil {
				continue
			}
			again, err := Decode(r.JSON())
			if err != nil {
				t.Fatalf("a part does not decode alone: %v", err)
			}
			for i := range r.tree.nodes {
				if r.tree.nodes[i] != again.tree.nodes[i] {
					t.Fatalf("node %d: %+v, parsed alone %+v", i, r.tree.nodes[i], again.tree.nodes[i])
				}
			}
		}
	})
}
