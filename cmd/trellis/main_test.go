package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trellis.example/gateway"
	"trellis.example/profiles"
)

// trellis runs a command as a user would.
func trellis(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out, errs bytes.Buffer
	code = run(ctx, args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

func TestDemoOnce(t *testing.T) {
	code, out, errs := trellis(t, "", "demo", "--once")
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, out, errs)
	}
	for _, want := range []string{"200: 4 resources", "MSA|AA|", ",created,", "SP-", "referrals waiting", "self-referral-form   from person                    201", "curl -s -H"} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not print %q:\n%s", want, out)
		}
	}
}

func TestClientCommands(t *testing.T) {
	data := t.TempDir()
	code, out, errs := trellis(t, "", "client", "add", "a", "--role", "gp-practice", "--org", "Y99001", "--data", data)
	var made struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(out), &made); code != 0 || err != nil || made.ID != "a" || len(made.Secret) < 40 {
		t.Fatalf("add: exit %d, %v\n%s%s", code, err, out, errs)
	}
	tests := []struct {
		name, stdin string
		args        []string
		code        int
		want        string
	}{
		{"id in use", "", []string{"add", "a", "--role", "police"}, 2, "exists"},
		{"every fault at once", "", []string{"add", "a b", "--role", "doctor", "--org", "x"}, 2, "role"},
		{"no role", "", []string{"add", "b"}, 2, "role"},
		{"weak secret", "hunter2\n", []string{"add", "b", "--role", "police", "--secret-stdin"}, 2, "secret"},
		{"own secret", "a-long-and-random-secret-of-32-characters\n", []string{"add", "b", "--role", "police", "--secret-stdin"}, 0, `{"client_id":"b"}`},
		{"list", "", []string{"list"}, 0, "gp-practice"},
		{"rotate", "", []string{"rotate", "a"}, 0, "client_secret"},
		{"agree", "", []string{"agree", "a", "--profile", profiles.Strict}, 0, "prsb-referral"},
		{"agree on what nobody checks", "", []string{"agree", "a", "--profile", "https://nobody.example/x"}, 2, "known are"},
		{"add with an agreement on it", "", []string{"add", "c", "--role", "police", "--profile", "https://nobody.example/x"}, 2, "known are"},
		{"end the agreement", "", []string{"agree", "a"}, 0, `"profiles": []`},
		{"disable", "", []string{"disable", "a"}, 0, "disabled"},
		{"nobody", "", []string{"disable", "nobody"}, 2, "no client"},
	}
	for _, tt := range tests {
		code, out, errs := trellis(t, tt.stdin, append(append([]string{"client"}, tt.args...), "--data", data)...)
		if code != tt.code || !strings.Contains(out+errs, tt.want) {
			t.Errorf("%s: exit %d, want %d and %q\n%s%s", tt.name, code, tt.code, tt.want, out, errs)
		}
	}
}

func TestKeyCommands(t *testing.T) {
	data := t.TempDir()
	for range 2 { // the first makes the first key
		if code, out, errs := trellis(t, "", "key", "rotate", "--data", data); code != 0 {
			t.Fatalf("rotate: exit %d\n%s%s", code, out, errs)
		}
	}
	code, out, errs := trellis(t, "", "key", "list", "--data", data)
	if code != 0 || strings.Count(out, `"own":true`) < 2 {
		t.Errorf("list: exit %d\n%s%s", code, out, errs)
	}
}

func TestMapApply(t *testing.T) {
	csv := string(document("referral.csv"))
	tests := []struct {
		name, doc string
		args      []string
		code      int
		want      string
	}{
		{"accepted", csv, []string{"apply", "ppn-csv", "--json"}, 0, `"accepted":true`},
		{"refused in part", strings.Replace(csv, "9991234020", "9991234021", 1), []string{"apply", "ppn-csv", "--json"}, 1, `"bundle":null`},
		{"bad header", "a,a\n1,2\n", []string{"apply", "ppn-csv", "--json"}, 1, `"records":[],"faults":[{"severity":"error"`},
		{"unknown format", csv, []string{"apply", "nothing"}, 2, "map list"},
		{"hl7", string(document("referral.hl7")), []string{"apply", "hl7v2", "-"}, 0, `"accepted": true`},
		{"bars", string(document("message.json")), []string{"apply", "bars"}, 0, `"accepted": true`},
		{"fhir", string(document("referral.json")), []string{"apply", "fhir"}, 0, `"accepted": true`},
		{"reverse", string(document("referral.json")), []string{"apply", "hl7v2", "--reverse", "--json"}, 0, `{"document":"MSH|`},
		{"list", "", []string{"list"}, 0, "ppn-csv"},
		{"lint", "", []string{"lint", "ppn-csv"}, 0, "note"},
		{"test", "", []string{"test", "ppn-csv"}, 0, "ok"},
		{"test hl7", "", []string{"test", "hl7v2"}, 0, "ok"},
		{"coverage", "", []string{"coverage", "ppn-csv"}, 0, "42 fields"},
		{"explain", csv, []string{"explain", "ppn-csv"}, 0, "row 1, subject_dob"},
		{"explain hl7", string(document("referral.hl7")), []string{"explain", "hl7v2", "-"}, 0, "PID-7"},
		{"no map", "", []string{"lint", "bars"}, 2, "FHIR already"},
		{"list for programs", "", []string{"list", "--json"}, 0, `"id":"hl7v2"`},
		{"lint for programs", "", []string{"lint", "ppn-csv", "--json"}, 0, `"error":false`},
		{"coverage for programs", "", []string{"coverage", "ppn-csv", "--json"}, 0, `"name":"ppn_reference"`},
		{"an earlier version", csv, []string{"explain", "ppn-csv@1.0.0"}, 0, "row 1, subject_dob"},
		{"no such version", csv, []string{"explain", "ppn-csv@0.9.0"}, 2, "has no version 0.9.0; it has"},
		{"diff", "", []string{"diff", "ppn-csv", "ppn-csv"}, 0, "the same"},
		{"diff of two formats", "", []string{"diff", "ppn-csv", "hl7v2"}, 1, "removed rule"},
		{"a page", csv, []string{"explain", "ppn-csv", "-", "--html", "-"}, 0, "<!doctype html>"},
	}
	for _, tt := range tests {
		code, out, errs := trellis(t, tt.doc, append([]string{"map"}, tt.args...)...)
		if code != tt.code || !strings.Contains(out+errs, tt.want) {
			t.Errorf("%s: exit %d, want %d and %q\n%.2000s%s", tt.name, code, tt.code, tt.want, out, errs)
		}
	}
}

func TestExampleReferral(t *testing.T) {
	if code, out, errs := trellis(t, "", "map", "apply", "fhir", "../../docs/examples/referral.json"); code != 0 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

func TestValidate(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.json", `{"resourceType":"Patient","gender":"female"}`)
	bad := write("bad.json", `{"resourceType":"Patient","gender":"woman"}`)
	lines := write("both.ndjson", "{\"resourceType\":\"Patient\"}\n{\"resourceType\":\"Patient\",\"x\":1}\n")
	empty := t.TempDir()
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{good}, 0, "1 examined, 1 valid, 0 with faults"},
		{[]string{bad}, 1, "Patient.gender"},
		{[]string{lines}, 1, "both.ndjson:2: error at Patient.x"},
		{[]string{dir}, 1, "4 examined, 2 valid, 2 with faults"},
		{[]string{"--json", bad}, 1, `"valid": false`},
		{[]string{"--junit", dir}, 1, `<testsuite name="trellis validate" tests="4" failures="2" errors="0">`},
		{[]string{"--profile", "https://nobody.example/x", good}, 2, "known are"},
		{[]string{filepath.Join(dir, "absent.json")}, 2, "no such file"},
		{[]string{empty}, 2, "holds no"},
	}
	for _, tt := range tests {
		code, out, errs := trellis(t, "", append([]string{"validate"}, tt.args...)...)
		if code != tt.code || !strings.Contains(out+errs, tt.want) {
			t.Errorf("%v: exit %d, want %d and %q\n%s%s", tt.args, code, tt.code, tt.want, out, errs)
		}
	}
	if code, out, _ := trellis(t, `{"resourceType":"Patient"}`, "validate", "-"); code != 0 {
		t.Errorf("standard input: exit %d\n%s", code, out)
	}
}

// TestValidateByProfiles uses what a partner would: our profiles, their own, and
// references between the documents.
func TestValidateByProfiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	request := write("request.json", `{"resourceType":"ServiceRequest","status":"active","intent":"order","subject":{"reference":"Patient/p"}}`)
	patient := write("patients/p.json", `{"resourceType":"Patient","id":"p","gender":"female"}`)
	own := write("own/StructureDefinition-named.json", `{"resourceType":"StructureDefinition","url":"https://surgery.example/named","version":"2","name":"Named","status":"active","kind":"resource","abstract":false,
		"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint","differential":{"element":[{"id":"Patient.name","path":"Patient.name","min":1}]}}`)
	faulty := write("faulty/StructureDefinition-more.json", `{"resourceType":"StructureDefinition","url":"https://surgery.example/more","name":"More","status":"active","kind":"resource","abstract":false,
		"type":"Patient","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint","differential":{"element":[{"id":"Patient.surname","path":"Patient.surname","min":1}]}}`)
	need := write("need.json", `{"resourceType":"Condition","clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]},
		"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-category","code":"health-concern"}]}],
		"code":{"coding":[{"system":"http://snomed.info/sct","code":"73211009"}],"text":"A need"},"subject":{"reference":"Patient/p"}}`)
	ukcore := write("ukcore/StructureDefinition-Extension-UKCore-BirthSex.json", `{"resourceType":"StructureDefinition","url":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-BirthSex","version":"2.1.0",
		"name":"BirthSex","status":"active","kind":"complex-type","abstract":false,"context":[{"type":"element","expression":"Patient"}],"type":"Extension","baseDefinition":"http://hl7.org/fhir/StructureDefinition/Extension",
		"derivation":"constraint","differential":{"element":[{"id":"Extension.url","path":"Extension.url","fixedUri":"https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-BirthSex"}]}}`)
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"base R4 alone", []string{request}, 0, "1 valid"},
		{"as the gateway judges", []string{"--gateway", request}, 1, "[tr-request-requester]"},
		{"a profile of ours", []string{"--profile", profiles.Strict, request}, 1, "prsb-referral|"},
		{"UK Core itself in place of what stands in for it", []string{"--definitions", ukcore, "--explain", "--gateway", patient}, 0, "1 valid"},
		{"a profile for another type", []string{"--profile", profiles.Strict, patient}, 0, "1 valid"},
		{"a profile of theirs", []string{"--definitions", own, "--profile", "https://surgery.example/named|2", patient}, 1, "https://surgery.example/named|2#Patient.name"},
		{"no such version of it", []string{"--definitions", own, "--profile", "https://surgery.example/named|3", patient}, 2, "known are"},
		{"a faulty profile of theirs", []string{"--definitions", faulty, "--profile", "https://surgery.example/more", patient}, 2, "Patient.surname"},
		{"references not followed", []string{request}, 0, ""},
		{"a reference that leads nowhere", []string{"--references", request}, 1, "[reference-unresolved]"},
		{"a reference between the documents", []string{"--references", request, patient}, 0, "2 valid"},
		{"references within standard input", []string{"--references", "-"}, 2, "name a file"},
		{"a terminology server that is away", []string{"--terminology-url", "http://127.0.0.1:1/fhir", "--profile", "https://trellis.example/fhir/StructureDefinition/need", need}, 0, "[terminology-unchecked]"},
		{"one that could be overheard", []string{"--terminology-url", "http://terminology.example/fhir", need}, 2, "want https"},
		{"why", []string{"--explain", "--gateway", patient}, 0, "Patient  by https://trellis.example/fhir/StructureDefinition/Patient|"},
	}
	for _, tt := range tests {
		code, out, errs := trellis(t, "", append([]string{"validate"}, tt.args...)...)
		if code != tt.code || !strings.Contains(out+errs, tt.want) {
			t.Errorf("%s: exit %d, want %d and %q\n%s%s", tt.name, code, tt.code, tt.want, out, errs)
		}
	}
}

func TestConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "trellis.yaml")
	var warned bytes.Buffer
	load := func(content string, args ...string) (string, error) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := newServe()
		warned.Reset()
		cmd.SetErr(&warned)
		if err := cmd.ParseFlags(append(args, "--config", file)); err != nil {
			t.Fatal(err)
		}
		c, err := loadConfig(cmd)
		return c.Listen + " " + c.Admin + " " + c.MLLP, err
	}
	t.Setenv("TRELLIS_ADMIN", "127.0.0.1:2")
	t.Setenv("TRELLIS_MLLP", "127.0.0.1:3")
	t.Setenv("TRELLIS_SOMETHING_ELSE", "x")
	t.Setenv("TRELLIS_PUBLIC_ULR", "https://secret.example")
	t.Setenv("TRELLIS_TEST_ANYTHING", "x")
	t.Setenv("TRELLIS_R4_EXAMPLES", "x")
	got, err := load("listen: 127.0.0.1:1\nadmin: 127.0.0.1:9\n", "--mllp", "off")
	if want := "127.0.0.1:1 127.0.0.1:2 off"; got != want || err != nil {
		t.Errorf("file, variable and flag: got %q, %v; want %q", got, err, want)
	}
	if want := "trellis: no setting, not used: TRELLIS_PUBLIC_ULR, TRELLIS_SOMETHING_ELSE\n"; warned.String() != want {
		t.Errorf("warned %q, want %q", warned.String(), want)
	}
	for _, bad := range []string{"service: z9d01\n", "listen: 0.0.0.0:0\n", "listen: :8080\n", "listen: '[::]:8080'\n", "lisen: 127.0.0.1:1\n", "listen: nowhere\nrate: 0\n", "rate: fast\n", "{"} {
		if _, err := load(bad); err == nil {
			t.Errorf("the file %q was accepted", bad)
		}
	}
	if code, _, errs := trellis(t, "", "serve", "--sandbox", "--listen", "0.0.0.0:0", "--data", dir); code != 2 || !strings.Contains(errs, "loopback") {
		t.Errorf("sandbox beyond loopback: exit %d, %s", code, errs)
	}
}

// TestDemoKeepsToItself: neither a database nor an address that others use.
func TestDemoKeepsToItself(t *testing.T) {
	t.Setenv("TRELLIS_MONGO", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100")
	t.Setenv("TRELLIS_PUBLIC_URL", "https://referrals.example")
	if code, out, errs := trellis(t, "", "demo", "--once"); code != 0 || strings.Contains(out, "referrals.example") {
		t.Errorf("settings of trellis serve: exit %d\n%s%s", code, out, errs)
	}
	for _, flag := range []string{"--listen=0.0.0.0:0", "--listen=:0", "--admin=192.0.2.1:0", "--mllp=off"} {
		for _, args := range [][]string{{"demo", flag}, {"demo", "--once", flag}} {
			if code, _, errs := trellis(t, "", append(args, "--data", t.TempDir())...); code != 2 || !strings.Contains(errs, "loopback") {
				t.Errorf("%v: exit %d, %s", args, code, errs)
			}
		}
	}
}

// TestDemoStartsAgain: after a start that ended before it wrote the secrets
// down, and after one that did not.
func TestDemoStartsAgain(t *testing.T) {
	data := t.TempDir()
	if code, out, errs := trellis(t, "", "client", "add", "demo-surgery", "--role", "gp-practice", "--org", "Y99001", "--data", data); code != 0 {
		t.Fatalf("add: exit %d\n%s%s", code, out, errs)
	}
	for _, start := range []string{"first", "second"} {
		cfg := gateway.Defaults()
		cfg.Data, cfg.Listen, cfg.Admin, cfg.MLLP = data, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
		cfg, err := demoConfig(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := demo(t.Context(), cfg, &out, false); err != nil {
			t.Errorf("%s start: %v\n%s", start, err, out.String())
		}
		time.Sleep(1100 * time.Millisecond) // references of the demo differ by the second
	}
}
