package search

import (
	"net/url"
	"slices"
	"testing"
)

const (
	patientDoc = `{"resourceType":"Patient","id":"p","active":true,"identifier":[{"type":{"coding":[{"system":"urn:t","code":"MR"}],"text":"Hospital number"},"system":"urn:s","value":"12"},{"value":"7"}],
		"name":[{"family":"Müller","given":["Éva","Ann"]}],"gender":"female","birthDate":"1950-01-02","telecom":[{"system":"phone","value":"0123","use":"home"},{"system":"email","value":"a@b.example"}],
		"address":[{"line":["1 High Street"],"city":"Leeds","postalCode":"LS1 1AA","use":"home"}],"deceasedDateTime":"2025-01-01","managingOrganization":{"display":"A practice"},
		"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/patient-extensions-Patient-mothersMaidenName","valueString":"Jones"},{"url":"http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName","valueString":"Smith"}]}`
	requestDoc = `{"resourceType":"ServiceRequest","id":"r","meta":{"profile":["http://p.example/sr|1.0"],"tag":[{"system":"urn:t","code":"x"}],"security":[{"code":"R"}],"source":"http://s.example/a/b"},"status":"active","intent":"order","priority":"urgent",
		"code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106","display":"Social prescribing"}],"text":"Befriending"},
		"category":[{"text":"only words"}],"subject":{"reference":"Patient/p","identifier":{"system":"urn:s","value":"12"}},"encounter":{"reference":"Encounter/e/_history/2"},
		"requester":{"reference":"https://other.example/fhir/Organization/o"},"performer":[{"reference":"#c"}],"specimen":[{"reference":"Specimen/s"}],
		"occurrenceTiming":{"event":["2026-03-01","2026-05-01"]},"authoredOn":"2026-03-15T10:00:00+01:00","instantiatesUri":["http://i.example/a/b/c"],"instantiatesCanonical":["http://c.example/pd|2"]}`
	observationDoc = `{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"system":"urn:c","code":"bp"}]},"subject":{"reference":"Patient/p"},"effectivePeriod":{"start":"2026-03"},
		"valueQuantity":{"value":5.4,"unit":"mg/dl","system":"http://unitsofmeasure.org","code":"mg/dL"},
		"component":[{"code":{"coding":[{"system":"urn:c","code":"sys"}]},"valueQuantity":{"value":120,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
			{"code":{"coding":[{"system":"urn:c","code":"dia"}]},"valueQuantity":{"value":80,"comparator":"<","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}`
	riskDoc      = `{"resourceType":"RiskAssessment","id":"k","status":"final","subject":{"reference":"Patient/p"},"prediction":[{"probabilityDecimal":100.2}]}`
	conditionDoc = `{"resourceType":"Condition","id":"c","subject":{"reference":"Group/g"},"onsetAge":{"value":52,"system":"http://unitsofmeasure.org","code":"a"},"abatementRange":{"low":{"value":54,"code":"a"},"high":{"value":60,"code":"a"}}}`
	locationDoc  = `{"resourceType":"Location","id":"l","name":"Community Hall","position":{"latitude":51.5,"longitude":-0.12}}`
	documentDoc  = `{"resourceType":"DocumentReference","id":"d","status":"current","relatesTo":[{"code":"replaces","target":{"reference":"DocumentReference/1"}},{"code":"appends","target":{"reference":"DocumentReference/2"}}]}`
	vsDoc        = `{"resourceType":"ValueSet","id":"v","url":"http://v.example/vs/a","version":"1","status":"draft","useContext":[{"code":{"code":"age"},"valueQuantity":{"value":18,"code":"a"}},{"code":{"code":"focus"},"valueCodeableConcept":{"coding":[{"code":"sp"}]}}]}`
	bundleDoc    = `{"resourceType":"Bundle","id":"b","type":"message","entry":[{"resource":{"resourceType":"MessageHeader","id":"m"}}]}`
)

// A matchTest is a document by its type, and searches that find it or do not.
type matchTest struct {
	typ     string
	yes, no []string
}

func matchTests() []matchTest {
	return []matchTest{
		{"Patient",
			[]string{"name=mul", "name=ANN", "family:exact=Müller", "name:contains=lle", "given=eva,bob", "phonetic=Miller", "address=1 high", "address-city=lee", "address:contains=1aa", "mothersMaidenName=jon", "mothersMaidenName=smith",
				"identifier=12", "identifier=urn:s|12", "identifier=|7", "identifier=urn:s|", "identifier:of-type=urn:t|MR|12", "identifier:text=hosp", "identifier:not=13", "identifier=urn:s|12&active=true", "active=http://terminology.hl7.org/CodeSystem/special-values|true",
				"gender=female", "gender=http://hl7.org/fhir/administrative-gender|female", "gender=http://hl7.org/fhir/administrative-gender|", "gender:in=http://hl7.org/fhir/ValueSet/administrative-gender", "gender:not-in=http://hl7.org/fhir/ValueSet/request-status", "gender:not=male,other",
				"telecom=a@b.example", "email=a@b.example", "phone=0123", "phone=home|0123", "address-use=home", "deceased=true", "death-date=2025", "birthdate=1950", "birthdate=lt1951", "birthdate:missing=false", "general-practitioner:missing=true", "organization:missing=false",
				"_id=p", "_id=a,p", "_id:missing=false", "_id:not=q", "_lastUpdated=2026-01-01", "_lastUpdated=ge2026", "name:missing=false", "email:missing=false"},
			[]string{"name=uller", "address=high", "family:exact=muller", "family:exact=Mü", "name:contains=xyz", "phonetic=Smith", "identifier=13", "identifier=|12", "identifier=urn:x|12", "identifier=urn:x|", "identifier:of-type=urn:t|NI|12", "identifier:of-type=urn:t|MR|7", "identifier:text=xx", "identifier:not=12",
				"gender=urn:x|female", "gender:in=http://hl7.org/fhir/ValueSet/request-status", "gender:not=male,female", "phone=a@b.example", "email=0123", "phone=work|0123", "deceased=false", "birthdate=1951", "birthdate:missing=true", "organization:missing=true", "_id=q", "_id:missing=true", "_lastUpdated=lt2026", "active:missing=true", "email=home|a@b.example"}},
		{"ServiceRequest",
			[]string{"status=active", "status=http://hl7.org/fhir/request-status|active", "status:not=draft", "code=871731000000106", "code:text=soc", "code:text=befr", "category:missing=false", "category:text=only",
				"subject=p", "subject=Patient/p", "subject:Patient=p", "patient=p", "subject:identifier=urn:s|12", "subject:identifier=12", "patient:missing=false", "encounter=e", "encounter=Encounter/e", "encounter=Encounter/e/_history/2", "requester=https://other.example/fhir/Organization/o",
				"performer:missing=false", "specimen=Specimen/s", "specimen=s", "occurrence=2026", "occurrence=ge2026-04&occurrence=lt2026-06", "occurrence=ap2026-04", "occurrence=gt2026-04", "authored=2026-03-15T09:00:00Z", "authored=2026-03-15T10:00:00 01:00",
				"instantiates-uri=http://i.example/a/b/c", "instantiates-uri:below=http://i.example/a", "instantiates-uri:above=http://i.example/a/b/c/d", "instantiates-canonical=http://c.example/pd", "instantiates-canonical=http://c.example/pd|2",
				"_profile=http://p.example/sr", "_profile=http://p.example/sr|1.0", "_tag=x", "_tag=urn:t|x", "_security=|R", "_source=http://s.example/a/b", "_source:below=http://s.example/a", "priority=urgent,asap"},
			[]string{"status=draft", "status=urn:x|active", "code:text=xyz", "category:missing=true", "category=only", "subject=Group/p", "subject:identifier=urn:x|12", "subject:identifier=13", "patient:missing=true", "encounter=Encounter/e/_history/3", "encounter=f", "requester=Organization/o", "performer:missing=true",
				"specimen=t", "occurrence=2026-03", "occurrence=gt2026-05-01", "occurrence=sa2026-04", "occurrence=eb2026-04", "occurrence=ap2027-04", "authored=2026-03-15T10:00:00Z", "instantiates-uri=http://i.example/a/b", "instantiates-uri:below=http://i.example/ab", "instantiates-uri:above=http://i.example/a/b",
				"instantiates-canonical=http://c.example/pd|3", "_profile=http://p.example/sr|2.0", "_tag=urn:u|x", "_source:below=http://s.example/b", "_security=|N"}},
		{"Observation",
			[]string{"date=ge2026-03-01", "date=gt2030", "date=le2026-04", "value-quantity=5.4", "value-quantity=5.4||mg/dL", "value-quantity=5.4||mg/dl", "value-quantity=5.4|http://unitsofmeasure.org|mg/dL", "value-quantity=5", "value-quantity=gt5.3", "value-quantity=le5.4", "value-quantity=ap5.8", "value-quantity=ne5.5", "value-quantity=5.40",
				"component-value-quantity=120||mm[Hg]", "component-value-quantity=lt79", "combo-value-quantity=5.4", "combo-value-quantity=120",
				"code-value-quantity=bp$5.4", "code-value-quantity=bp$9,bp$gt5", "code-value-quantity=urn:c|bp$gt5||mg/dL", "component-code-value-quantity=sys$120", "component-code-value-quantity=dia$lt79", "combo-code-value-quantity=bp$5.4", "combo-code-value-quantity=sys$120", "value-concept:missing=true"},
			[]string{"date=2026-02", "date=2026-04", "date=le2026-03", "date=lt2026-03", "date=eb2030", "value-quantity=5.5", "value-quantity=5.400001", "value-quantity=5.4||kg", "value-quantity=5.4|urn:x|mg/dL", "value-quantity=gt5.4", "value-quantity=lt5.4", "value-quantity=ap7", "component-value-quantity=5.4", "code-value-quantity=bp$120", "code-value-quantity=sys$120",
				"component-code-value-quantity=dia$120", "combo-code-value-quantity=bp$120", "component-code-value-quantity=sys$lt79", "value-quantity:missing=true"}},
		{"RiskAssessment",
			[]string{"probability=100", "probability=100.2", "probability=1e2", "probability=gt100", "probability=ne101", "probability=ap95", "probability=sa100", "probability=le100.2"},
			[]string{"probability=100.0", "probability=101", "probability=gt100.2", "probability=lt100.2", "probability=eb100", "probability=ap50", "probability=ne100"}},
		{"Condition",
			[]string{"onset-age=52||a", "onset-age=gt50", "abatement-age=gt59", "subject=Group/g", "patient:missing=true", "subject:missing=false", "abatement-age=lt55"},
			[]string{"onset-age=53", "abatement-age=gt60", "patient:missing=false", "abatement-age=57"}},
		{"Location",
			[]string{"near=51.5|-0.12", "near=51.51|-0.12|2|km", "near=51.51|-0.12|2", "near=51.51|-0.12|1200|m", "near=51.51|-0.12|1|[mi_i],10|10|1", "near:missing=false", "name=comm"},
			[]string{"near=51.51|-0.12|1|km", "near=52.5|-0.12", "near=51.51|-0.12|100|m", "near:missing=true"}},
		{"DocumentReference",
			[]string{"relationship=replaces$DocumentReference/1,x$DocumentReference/y", "relatesto=DocumentReference/2", "relation=replaces"}, []string{"relationship=replaces$DocumentReference/2"}},
		{"ValueSet",
			[]string{"url=http://v.example/vs/a", "url:below=http://v.example/vs", "context-type=age", "context=sp", "context-quantity=18", "context-type-quantity=age$18", "context-type-value=focus$sp"},
			[]string{"url:below=http://v.example/v", "context-type-quantity=focus$18", "context-type-value=age$sp"}},
		{"Bundle", []string{"message=MessageHeader/m", "message=m", "composition:missing=true"}, []string{"message=n"}},
	}
}

func matchDocs(t *testing.T) *memory {
	return newMemory(t, registry(), patientDoc, requestDoc, observationDoc, riskDoc, conditionDoc, locationDoc, documentDoc, vsDoc, bundleDoc)
}

// TestMatches goes the whole way: a document is indexed, a search read, and the
// one compared with the other.
func TestMatches(t *testing.T) {
	m := matchDocs(t)
	checkMatches(t, m.reg, m)
}

// TestMatchesInStore is the same with a store between: what it makes of the
// clauses is what they mean.
func TestMatchesInStore(t *testing.T) {
	m := matchDocs(t)
	checkMatches(t, m.reg, m.inStore(t))
}

func checkMatches(t *testing.T, r *Registry, s Searcher) {
	t.Helper()
	for _, tt := range matchTests() {
		for _, query := range slices.Concat(tt.yes, tt.no) {
			got, err := ask(t, r, s, tt.typ, escapeQuery(query), "gp")
			if err != nil {
				t.Errorf("%s?%s: %v", tt.typ, query, err)
			} else if found := len(got) == 1; found != slices.Contains(tt.yes, query) {
				t.Errorf("%s?%s: found %v", tt.typ, query, got)
			}
		}
	}
}

// escapeQuery escapes what the queries of tests are written without.
func escapeQuery(q string) string {
	return (&url.URL{Path: q}).EscapedPath()
}
