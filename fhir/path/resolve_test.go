package path

import (
	"strings"
	"testing"

	"trellis.example/fhir"
)

// TestResolve follows references to contained resources and within a Bundle.
func TestResolve(t *testing.T) {
	const bundle = `{"resourceType":"Bundle","type":"collection","entry":[
	{"fullUrl":"https://a.example/fhir/ServiceRequest/1","resource":{"resourceType":"ServiceRequest","id":"1","status":"active",
		"subject":{"reference":"Patient/2"},"requester":{"reference":"#r"},"performer":[{"reference":"https://a.example/fhir/Organization/3/_history/7"},{"reference":"Organization/3/_history/8"},{"reference":"Organization/9"}],
		"contained":[{"resourceType":"PractitionerRole","id":"r","active":true,"organization":{"reference":"#"}}]}},
	{"fullUrl":"https://a.example/fhir/Patient/2","resource":{"resourceType":"Patient","id":"2","gender":"female","managingOrganization":{"reference":"urn:uuid:1"}}},
	{"fullUrl":"https://a.example/fhir/Organization/3","resource":{"resourceType":"Organization","id":"3","name":"O","meta":{"versionId":"7"}}},
	{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Organization","name":"U","partOf":{"reference":"Organization/3"}}}]}`
	tests := []struct{ expr, want string }{
		{"entry.resource.ofType(ServiceRequest).subject.resolve().gender", "code:female"},
		{"entry.resource.ofType(ServiceRequest).requester.resolve().active", "boolean:true"},
		{"entry.resource.ofType(ServiceRequest).performer.resolve().name", "string:O"}, // the other version and the absent one are not there
		{"entry.resource.ofType(ServiceRequest).performer.where(resolve() is Organization).count() = 3", "boolean:true"},
		{"entry.resource.ofType(Patient).managingOrganization.resolve().name", "string:U"},
		{"entry.resource.ofType(Organization).partOf.resolve().name", ""}, // relative, in an entry with a urn
		{"entry.resource.ofType(ServiceRequest).contained.organization.resolve().id", "id:1"},
		{"entry.resource.ofType(ServiceRequest).subject.resolve().managingOrganization.resolve().name", "string:U"},
	}
	for _, tt := range tests {
		got := strings.ReplaceAll(eval(t, tt.expr, "Bundle", bundle), "string:1", "id:1")
		if got != tt.want {
			t.Errorf("%s\n got %s\nwant %s", tt.expr, got, tt.want)
		}
	}
}

// TestFunctions evaluates functions that R4's own expressions do not use.
func TestFunctions(t *testing.T) {
	for _, expr := range []string{
		"name.family.lower() = 'test'", "name.family.upper() = 'TEST'", "' a '.trim() = 'a'",
		"'a-b-a'.replace('a', 'xy') = 'xy-b-xy'", "'a,b'.split(',').count() = 2", "name.given.join('+') = 'A+B'", "name.given.join() = 'AB'",
		"'äbc'.indexOf('b') = 1", "'abc'.indexOf('x') = -1",
		"name.given.skip(1) = 'B'", "name.given.take(1) = 'A'", "name.given.skip(9).empty()", "name.given.take(9).count() = 2",
		"name.given.exclude('A') = 'B'", "('A' | 'B').subsetOf(name.given)", "name.given.supersetOf('A')", "name.given.subsetOf('A').not()",
		"name.select(use = 'official').allTrue()", "(true | false).anyTrue()", "(true | false).allTrue().not()", "(true | false).anyFalse()", "(false).allFalse()",
		"(1 | 2 | 3).sum() = 6", "(1 | 2 | 3).min() = 1", "(1 | 2 | 3).max() = 3", "(1 | 2 | 3).avg() = 2", "name.given.sum().empty()", "identifier.where(false).sum().empty()",
		"7 div 2 = 3", "7 mod 2 = 1", "repeat(contact | contact.name).count() > 2",
		"deceased > @2019-12-31", "contact.period.start.first() <= @2020-01-01", "(deceased < @2020).empty()", "deceased.is(dateTime)",
		"deceased < @2021-01-01T00:00:00Z",
	} {
		if got := eval(t, expr, "Patient", patient); got != "boolean:true" {
			t.Errorf("%s: %s", expr, got)
		}
	}
	for _, expr := range []string{"today() > birthDate", "now()", "code.memberOf('x')", "@T12:00", "@", "@12"} {
		if _, err := Compile(expr, "Patient"); err == nil {
			t.Errorf("%s is accepted", expr)
		}
	}
}

// TestCostlyTexts holds that strings cannot be made to grow without end.
func TestCostlyTexts(t *testing.T) {
	p, err := Compile("name.family.replace('a', '"+strings.Repeat("b", 2000)+"').replace('b', '"+strings.Repeat("c", 2000)+"') = ''", "Patient")
	if err != nil {
		t.Fatal(err)
	}
	r, err := fhir.Decode([]byte(`{"resourceType":"Patient","name":[{"family":"` + strings.Repeat("a", 100) + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Holds(r.Root(), Context{}); err != ErrTooCostly { //nolint:errorlint // returned as it is
		t.Errorf("err = %v", err)
	}
}

// TestExtensionVariable holds what %extension stands for.
func TestExtensionVariable(t *testing.T) {
	r, err := fhir.Decode([]byte(`{"resourceType":"Patient","extension":[{"url":"a","valueInteger":3}]}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile("%extension.value = 3", "Patient")
	if err != nil {
		t.Fatal(err)
	}
	x := r.Root().At("extension", 0)
	if ok, err := p.Holds(r.Root(), Context{Extension: x}); !ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
	q, err := Compile("%extension.value = 4", "Patient")
	if err != nil {
		t.Fatal(err)
	}
	if ok, _ := q.Holds(r.Root(), Context{Extension: x}); ok {
		t.Error("the extension is not looked at")
	}
	if ok, _ := q.Holds(r.Root(), Context{}); !ok {
		t.Error("nothing is no fault")
	}
}
