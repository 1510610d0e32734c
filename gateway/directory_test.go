package gateway_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

const (
	base        = "/openreferral/v3"
	gardenClub  = "11111111-1111-4111-8111-111111111111"
	lunchClub   = "22222222-2222-4222-8222-222222222222"
	gardenTerm  = "33333333-3333-4333-8333-333333333333"
	gardenOrg   = "44444444-4444-4444-8444-444444444444"
	gardenSite  = "55555555-5555-4555-8555-555555555555"
	gardenPlace = "66666666-6666-4666-8666-666666666666"
)

func garden() []byte {
	return []byte(`{"id":"` + gardenClub + `","name":"Dig It","description":"<b>Digging</b> & tea","status":"active","url":"https://dig.example","minimum_age":18,"maximum_age":70,
	"organization":{"id":"` + gardenOrg + `","name":"Diggers","description":"People who dig.","organization_identifiers":[{"id":"77777777-7777-4777-8777-777777777777","identifier_scheme":"GB-CHC","identifier_type":"Charity number","identifier":"1999997"}]},
	"schedules":[{"id":"88888888-8888-4888-8888-888888888888","freq":"WEEKLY","interval":1,"byday":"TU","opens_at":"10:00","closes_at":"12:00"},{"id":"88888888-8888-4888-8888-888888888889","freq":"MONTHLY","byday":"1SA","opens_at":"14:00","closes_at":"15:00"}],
	"attributes":[{"id":"99999999-9999-4999-8999-999999999999","link_type":"service_type","taxonomy_term":{"id":"` + gardenTerm + `","name":"Gardening","description":"Gardening","taxonomy":"esdServiceTypes"}}],
	"service_at_locations":[{"id":"` + gardenSite + `","location":{"id":"` + gardenPlace + `","location_type":"physical","name":"The Plot","latitude":54.5,"longitude":-1.2,"addresses":[{"id":"66666666-6666-4666-8666-666666666667","address_1":"Plot Lane","city":"Exampleton","state_province":"Exampleshire","postal_code":"ZZ1 1AA","country":"GB","address_type":"physical"}]}}]}`)
}

func lunch() []byte {
	return []byte(`{"id":"` + lunchClub + `","name":"Soup Table","description":"Soup.","status":"active","minimum_age":60}`)
}

// published is a gateway with two services in its directory, pushed by the one
// who keeps it.
func published(t *testing.T) *system {
	t.Helper()
	s := newSystem(t, noChange)
	s.partner("keeper", "service-manager", "Z9D01", nil)
	for _, doc := range [][]byte{garden(), lunch()} {
		s.want(s.post("keeper", "/intake/oruk-v3", "application/json", doc), 201)
	}
	return s
}

// list returns the ids of a page.
func (s *system) list(path string) []string {
	s.t.Helper()
	var page struct {
		Contents []struct {
			ID string `json:"id"`
		} `json:"contents"`
	}
	a := s.want(s.get("", base+path), 200)
	if err := json.Unmarshal(a.body, &page); err != nil {
		s.t.Fatal(err)
	}
	ids := []string{}
	for _, c := range page.Contents {
		ids = append(ids, c.ID)
	}
	slices.Sort(ids)
	return ids
}

// TestDirectoryFilters asks for services without a token.
func TestDirectoryFilters(t *testing.T) {
	s := published(t)
	both, one, two, none := []string{gardenClub, lunchClub}, []string{gardenClub}, []string{lunchClub}, []string{}
	for path, want := range map[string][]string{
		"/services":                                           both,
		"/services/":                                          both,
		"/services?search=digging+TEA":                        one,
		"/services?search=soup":                               two,
		"/services?search=nothing":                            none,
		"/services?minimum_age=75":                            two, // who is 75 is too old to dig
		"/services?maximum_age=40":                            one,
		"/services?minimum_age=65&maximum_age=66":             both,
		"/services?day=TU":                                    one,
		"/services?day=Tuesday":                               one,
		"/services?day=MO,SA":                                 one,
		"/services?day=MO":                                    none,
		"/services?day=TU&start_time=11:00":                   one,
		"/services?day=TU&start_time=12:00":                   none,
		"/services?day=TU&end_time=10:00":                     none,
		"/services?taxonomy_term_id=" + gardenTerm:            one,
		"/services?organization_id=" + gardenOrg:              one,
		"/services?organization_id=" + lunchClub:              none,
		"/services?modified_after=2020-01-01":                 both,
		"/services?modified_after=2120-01-01T00:00:00Z":       none,
		"/services?per_page=1&page=1":                         one,
		"/services?per_page=1&page=2":                         two,
		"/services?per_page=1&page=3":                         none,
		"/services?minimal=true":                              both,
		"/services?full=true":                                 both,
		"/organizations":                                      {gardenOrg},
		"/organizations?search=dig":                           {gardenOrg},
		"/service_at_locations":                               {gardenSite},
		"/service_at_locations?postcode=zz1+1aa":              {gardenSite},
		"/service_at_locations?postcode=ZZ1 1AB&proximity=10": {gardenSite}, // the sector's middle
		"/service_at_locations?search=soup":                   none,
		"/taxonomy_terms":                                     {gardenTerm},
	} {
		if got := s.list(strings.ReplaceAll(path, " ", "%20")); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	for _, path := range []string{"/services?color=red", "/services?page=0", "/services?per_page=501", "/services?day=XX", "/services?start_time=soon", "/services?minimum_age=-1",
		"/services?modified_after=soon", "/services?full=maybe", "/services?page=1&page=2", "/service_at_locations?proximity=5", "/service_at_locations?postcode=nowhere", "/services?postcode=ZZ11AA"} {
		a := s.want(s.get("", base+path), 400)
		if a.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: a refusal of type %s", path, a.Header.Get("Content-Type"))
		}
	}
	for _, path := range []string{"/services/" + gardenOrg, "/nothing", "/services/a/b", "/organizations/x", "/taxonomies/x", "/taxonomy_terms/x", "/service_at_locations/x", "/service_at_locations?postcode=XX99XX"} {
		s.want(s.get("", base+path), 404)
	}
}

// TestDirectoryReturnsEqual: what was pushed is served again as it was.
func TestDirectoryReturnsEqual(t *testing.T) {
	s := published(t)
	for id, doc := range map[string][]byte{gardenClub: garden(), lunchClub: lunch()} {
		a := s.want(s.get("", base+"/services/"+id), 200)
		var got, want map[string]any
		if err := errors.Join(json.Unmarshal(a.body, &got), json.Unmarshal(doc, &want)); err != nil {
			t.Fatal(err)
		}
		g, _ := json.Marshal(got)
		w, _ := json.Marshal(want)
		if !bytes.Equal(g, w) {
			t.Errorf("got  %s\nwant %s", g, w)
		}
	}
}

// TestDirectoryCaching holds for ETag, Last-Modified, HEAD, CORS and a change.
func TestDirectoryCaching(t *testing.T) {
	s := published(t)
	for _, path := range []string{"", "/", "/services", "/services/" + gardenClub, "/organizations/" + gardenOrg, "/taxonomies"} {
		a := s.want(s.get("", base+path), 200)
		if a.Header.Get("Access-Control-Allow-Origin") != "*" || a.Header.Get("ETag") == "" {
			t.Errorf("%s: headers %v", path, a.Header)
		}
		s.want(s.do("", http.MethodGet, base+path, http.Header{"If-None-Match": {a.Header.Get("ETag")}}, nil), 304)
		if h := s.want(s.do("", http.MethodHead, base+path, nil, nil), 200); len(h.body) > 0 || h.Header.Get("ETag") != a.Header.Get("ETag") {
			t.Errorf("%s: HEAD differs from GET", path)
		}
		if m := a.Header.Get("Last-Modified"); m != "" {
			s.want(s.do("", http.MethodGet, base+path, http.Header{"If-Modified-Since": {m}}, nil), 304)
		}
	}
	before := s.get("", base+"/services").Header.Get("ETag")
	s.want(s.post("keeper", "/intake/oruk-v3", "application/json", bytes.Replace(lunch(), []byte("Soup Table"), []byte("Broth Bench"), 1)), 200)
	a := s.get("", base+"/services")
	if a.Header.Get("ETag") == before || !bytes.Contains(a.body, []byte("Broth Bench")) {
		t.Error("a change is not seen at once")
	}
	s.want(s.post("keeper", "/intake/oruk-v3", "application/json", bytes.Replace(lunch(), []byte(`"active"`), []byte(`"inactive"`), 1)), 200)
	if got := s.list("/services"); !slices.Equal(got, []string{gardenClub}) {
		t.Errorf("an inactive service is listed: %v", got)
	}
	s.want(s.get("", base+"/services/"+lunchClub), 404)
	s.want(s.do("", http.MethodPost, base+"/services", nil, []byte("{}")), 405)
}

// TestDirectoryPush: who may, and what becomes of it.
func TestDirectoryPush(t *testing.T) {
	s := published(t)
	s.partner("surgery", "gp-practice", "Y99001", nil)
	s.partner("agency", "local-agency", "Y99002", nil)
	s.partner("provider", "community-provider", "Y99003", nil)
	s.partner("auditor", "auditor", "", nil)
	for _, who := range []string{"surgery", "agency"} {
		s.want(s.post(who, "/intake/oruk-v3", "application/json", lunch()), 403)
	}
	if a := s.want(s.post("keeper", "/intake/oruk-v3", "application/json", garden()), 200); !strings.Contains(string(a.body), "unchanged") {
		t.Errorf("a repeat: %s", a.body)
	}
	// The provider's own entry under the same id is another one.
	s.want(s.post("provider", "/intake/oruk-v3", "application/json", lunch()), 201)
	if got := s.list("/services"); len(got) != 3 {
		t.Errorf("two keep a service of the same id: %v", got)
	}
	a := s.want(s.post("keeper", "/intake/oruk-v3", "application/json", []byte(`{"id":"x","name":"y","status":"resting","minimum_age":"old"}`)), 422)
	if !bytes.Contains(a.body, []byte("/status")) || !bytes.Contains(a.body, []byte("/minimum_age")) || bytes.Contains(a.body, []byte("resting")) {
		t.Errorf("the faults are not named at their places: %s", a.body)
	}
	s.want(s.post("keeper", "/intake/oruk-v3", "application/json", []byte(`{`)), 400)
	s.want(s.post("keeper", "/intake/oruk-v3", "text/csv", lunch()), 415)
	s.want(s.post("", "/intake/oruk-v3", "application/json", lunch()), 401)
	a = s.want(s.post("keeper", "/intake/oruk-v1", "application/json", []byte(`{"id":"1502","name":"Old Lunch","status":"active","email":"no email","regular_schedules":[{"id":"1","byday":"WE","freq":"WEEKLY","interval":"1","opens_at":"12:00:00"}],"service_taxonomys":[{"id":"2","taxonomy":{"id":"http://id.example/1","name":"Lunch","vocabulary":"esdServiceTypes"}}]}`)), 201)
	if loc := a.Header.Get("Location"); !strings.Contains(loc, "/fhir/HealthcareService/") {
		t.Errorf("Location %q", loc)
	}
	if got := s.list("/services?day=WE"); len(got) != 1 || got[0] == "1502" {
		t.Errorf("a service of version 1: %v", got)
	}
	s.want(s.post("keeper", "/intake/oruk-v3?dryRun=true", "application/json", lunch()), 200)
	if b := s.want(s.get("auditor", "/fhir/AuditEvent?_count=50"), 200).body; !bytes.Contains(b, []byte("intake-oruk-v3")) || !bytes.Contains(b, []byte("intake-oruk-v1")) {
		t.Error("the audit lacks what was pushed")
	}
}

// TestDirectoryPrivacy: nothing but what a keeper of the directory published is
// shown to all, whatever else the store holds.
func TestDirectoryPrivacy(t *testing.T) {
	s := published(t)
	s.partner("surgery", "gp-practice", "Y99001", nil)
	fhirJSON := "application/fhir+json"
	secret := "Wilhelmina Hidden"
	// A practice's own organisation and place are known to callers with a token.
	org := s.want(s.post("surgery", "/fhir/Organization", fhirJSON, []byte(`{"resourceType":"Organization","name":"`+secret+` Practice"}`)), 201).root(t).Get("id").Text()
	place := s.want(s.post("surgery", "/fhir/Location", fhirJSON, []byte(`{"resourceType":"Location","name":"Home of `+secret+`"}`)), 201).root(t).Get("id").Text()
	// Somebody's service that names them does not publish them.
	s.want(s.post("keeper", "/fhir/HealthcareService", fhirJSON, []byte(`{"resourceType":"HealthcareService","active":true,"name":"Walks","providedBy":{"reference":"Organization/`+org+`"},"location":[{"reference":"Location/`+place+`"}]}`)), 201)
	// A service that came along with a referral is the referral's.
	s.want(s.post("surgery", "/fhir", fhirJSON, []byte(`{"resourceType":"Bundle","type":"transaction","entry":[
		{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000001","resource":{"resourceType":"ServiceRequest","status":"draft","intent":"order","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"reference":"urn:uuid:00000000-0000-4000-8000-000000000002"}},"request":{"method":"POST","url":"ServiceRequest"}},
		{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000002","resource":{"resourceType":"Patient","name":[{"family":"Hidden","given":["Wilhelmina"]}]},"request":{"method":"POST","url":"Patient"}},
		{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000004","resource":{"resourceType":"Organization","name":"`+secret+` carers"},"request":{"method":"POST","url":"Organization"}},
		{"fullUrl":"urn:uuid:00000000-0000-4000-8000-000000000005","resource":{"resourceType":"Location","name":"`+secret+` hall"},"request":{"method":"POST","url":"Location"}}]}`)), 200)
	s.want(s.post("keeper", "/fhir/HealthcareService", fhirJSON, []byte(`{"resourceType":"HealthcareService","active":false,"name":"`+secret+` closed"}`)), 201)
	for _, list := range []string{"/services", "/services?full=true", "/organizations", "/service_at_locations", "/taxonomies", "/taxonomy_terms"} {
		a := s.want(s.get("", base+list), 200)
		if bytes.Contains(bytes.ToLower(a.body), []byte("hidden")) {
			t.Errorf("%s shows what is private: %s", list, a.body)
		}
	}
	if got := s.list("/services?search=walks"); len(got) != 1 {
		t.Errorf("the keeper's own service is not published: %v", got)
	}
	for _, id := range []string{org, place} {
		for _, list := range []string{"/services/", "/organizations/", "/service_at_locations/"} {
			s.want(s.get("", base+list+id), 404)
		}
	}
}

// TestDirectorySchemas holds every answer against the published schemas.
func TestDirectorySchemas(t *testing.T) {
	const dir = "../../shared/standards/schemas/oruk-v3"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the published schemas of Open Referral UK are not there")
	}
	s := published(t)
	fhirJSON := "application/fhir+json"
	// A directory entry that was never Open Referral, and one of a careless feed.
	s.want(s.post("keeper", "/fhir/HealthcareService", fhirJSON, []byte(`{"resourceType":"HealthcareService","active":true,"name":"Walks","comment":"Slow walks.","telecom":[{"system":"phone","value":"01632 960001"},{"system":"url","value":"not a url"},{"system":"email","value":"nobody"}],
		"type":[{"coding":[{"system":"https://terms.example/kinds","code":"walk"}]}],"availableTime":[{"daysOfWeek":["mon","wed"],"availableStartTime":"10:00:00"}],"specialty":[{"text":"x"}]}`)), 201)
	s.want(s.post("keeper", "/intake/oruk-v1", "application/json", []byte(`{"id":"1502","name":"Old Lunch","email":"no email","organization":{"id":"7","name":"Cooks"},"contacts":[{"id":"c","name":"A","phones":[{"id":"p","number":"01632 960002"}]}],"cost_options":[{"id":"1","amount":"6.00"}],
		"service_at_locations":[{"id":"3","location":{"id":"4","name":"Hall","latitude":54.1,"longitude":-1.1,"physical_addresses":[{"id":"5","address_1":"Church Street"}]}}],"eligibilitys":[{"id":"6","minimum_age":60}],"service_taxonomys":[{"id":"2","taxonomy":{"id":"http://id.example/1","name":"Lunch","vocabulary":"esdServiceTypes"}}]}`)), 201)
	s.want(s.post("keeper", "/intake/oruk-v3", "application/json", []byte(`{"id":"not-a-uuid","name":"Careless","status":"Active","url":"nowhere","email":"nobody","last_modified":"yesterday","fees":5,"minimum_age":"18","organization":{"id":9,"name":"Nine","website":"x y"},"schedules":[{"id":"1","freq":"DAILY","byday":"MO","interval":"often"}],
		"attributes":[{"taxonomy_term":{"id":"t","name":"T","term_uri":"::","taxonomy":"Odd"}}],"service_at_locations":[{"location":{"location_type":"hall","addresses":[{"city":"Exampleton","address_type":"home"}],"name":"Somewhere","id":"l","accessibility":[{"description":"Ramp"}]}}],"contacts":"ask at the desk","funding":[{"source":"us"}]}`)), 201)
	checked := 0
	check := func(schema, path string) []string {
		t.Helper()
		a := s.want(s.get("", base+path), 200)
		var v any
		d := json.NewDecoder(bytes.NewReader(a.body))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		judged := []any{v}
		if schema == "organization_list.json" { // the published file describes an entry, not the page
			judged, _ = v.(map[string]any)["contents"].([]any)
		}
		for _, j := range judged {
			if err := directorySchema(t, filepath.Join(dir, schema)).Validate(j); err != nil {
				t.Errorf("%s: %v\n%s", path, err, a.body)
			}
		}
		checked++
		var ids []string
		if m, ok := v.(map[string]any); ok {
			list, _ := m["contents"].([]any)
			for _, e := range list {
				ids = append(ids, e.(map[string]any)["id"].(string))
			}
		}
		return ids
	}
	check("api_details.json", "/")
	for _, id := range check("service_list.json", "/services") {
		check("service.json", "/services/"+id)
	}
	check("service_list.json", "/services?minimal=true")
	check("service_list.json", "/services?full=true")
	check("service_list.json", "/services?search=nothing")
	for _, id := range check("organization_list.json", "/organizations") {
		check("organization.json", "/organizations/"+id)
	}
	for _, id := range check("service_at_location_list.json", "/service_at_locations") {
		check("service_at_location.json", "/service_at_locations/"+id)
	}
	for _, id := range check("taxonomy_list.json", "/taxonomies") {
		check("taxonomy.json", "/taxonomies/"+id)
	}
	for _, id := range check("taxonomy_term_list.json", "/taxonomy_terms") {
		check("taxonomy_term.json", "/taxonomy_terms/"+id)
	}
	if checked < 20 {
		t.Errorf("%d answers were checked", checked)
	}
}

func directorySchema(t *testing.T, path string) *jsonschema.Schema {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.Draft, c.AssertFormat = jsonschema.Draft2020, true
	c.LoadURL = func(u string) (io.ReadCloser, error) { // the published file of that name
		b, err := os.ReadFile(filepath.Join(filepath.Dir(path), filepath.Base(u)))
		if err != nil {
			return nil, fmt.Errorf("nothing else is loaded: %w", err)
		}
		return io.NopCloser(bytes.NewReader(b)), nil
	}
	if err := c.AddResource("https://schema.example/"+filepath.Base(path), bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("https://schema.example/" + filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDirectoryInDescriptions: the addresses stand in the OpenAPI document.
func TestDirectoryInDescriptions(t *testing.T) {
	s := newSystem(t, noChange)
	a := s.want(s.get("", "/openapi.json"), 200)
	for _, path := range []string{`"/openreferral/v3/services"`, `"/openreferral/v3/taxonomy_terms/{key}"`} {
		if !bytes.Contains(a.body, []byte(path)) {
			t.Errorf("%s is not described", path)
		}
	}
}
