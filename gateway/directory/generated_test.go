package directory_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"trellis.example/fhir"
	"trellis.example/mapping"
	oruk "trellis.example/mapping/formats/oruk-v3"
	"trellis.example/profiles"
)

// generated is how many services the tests invent.
const generated = 300

// A maker invents services: the same ones for the same seed.
type maker struct {
	*rand.Rand
	v1 bool
}

func (m maker) id() string {
	if m.v1 {
		return fmt.Sprint(m.IntN(1_000_000))
	}
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", m.Uint32(), m.Uint64N(1<<48))
}

func (m maker) one(of ...string) string { return of[m.IntN(len(of))] }

func (m maker) text() string {
	return m.one("A club", "<p>Tea &amp; talk</p>", "Second Friday, if fine", "Ünïcode ✓", " padded ", "line\nbreak", `"quoted" \ back`, "**bold** text", "0", "null")
}

func (m maker) date() string {
	return fmt.Sprintf("20%02d-%02d-%02d", 20+m.IntN(8), 1+m.IntN(12), 1+m.IntN(28))
}
func (m maker) time() string {
	return m.one(fmt.Sprintf("%02d:%02d", m.IntN(24), m.IntN(60)), fmt.Sprintf("%02d:%02d:00", m.IntN(24), m.IntN(60)), fmt.Sprintf("%02d:00Z", m.IntN(24)), "10am", "noon")
}

// object keeps each member by chance; "id" and those in must always.
func (m maker) object(all map[string]any, must ...string) map[string]any {
	out := map[string]any{"id": m.id()}
	for _, k := range must {
		out[k] = all[k]
	}
	for k, v := range all {
		if _, there := out[k]; !there && m.IntN(3) > 0 {
			out[k] = v
		}
	}
	return out
}

func (m maker) list(n int, f func() map[string]any) []any {
	out := []any{}
	for range m.IntN(n + 1) {
		out = append(out, f())
	}
	return out
}

func (m maker) schedule() map[string]any {
	var interval any = m.IntN(3) + 1
	if m.v1 {
		interval = fmt.Sprint(interval)
	}
	return m.object(map[string]any{"freq": m.one("WEEKLY", "WEEKLY", "MONTHLY"), "interval": interval, "byday": m.one("MO", "TU,TH", "1MO", "-1FR", "SA,SU", "TU,MO"),
		"bymonthday": m.one("1", "2,3"), "opens_at": m.time(), "closes_at": m.time(), "valid_from": m.date(), "valid_to": m.date(), "dtstart": m.date(), "description": m.text(), "notes": m.text(), "attending_type": "venue"})
}

func (m maker) term() map[string]any {
	t := m.object(map[string]any{"name": m.text(), "description": m.text(), "parent_id": m.id(), "term_uri": "https://terms.example/1", "taxonomy": m.one("esdServiceTypes", "esdNeeds", "esdCircumstances", "openActive")}, "name", "description")
	return m.object(map[string]any{"link_type": m.one("service_type", "need", "x"), "taxonomy_term": t})
}

func (m maker) place() map[string]any {
	address := func() map[string]any {
		return m.object(map[string]any{"attention": m.text(), "address_1": m.text(), "city": m.text(), "region": m.text(), "state_province": m.text(), "postal_code": m.one("ZZ1 1AA", "zz11ab", "?"), "country": m.one("GB", "England"), "address_type": m.one("physical", "postal", "virtual")},
			"address_1", "city", "state_province", "postal_code", "country", "address_type")
	}
	access := func() map[string]any {
		return m.object(map[string]any{"description": m.text(), "details": m.text(), "accessibility": m.text(), "url": "https://access.example"})
	}
	l := m.object(map[string]any{"location_type": m.one("physical", "virtual", "postal"), "name": m.text(), "description": m.text(), "external_identifier": "100000000001", "external_identifier_type": m.one("UPRN", "other"),
		"addresses": m.list(3, address), "accessibility": m.list(2, access)}, "location_type")
	if m.IntN(2) == 0 {
		l["latitude"], l["longitude"] = json.Number(fmt.Sprintf("%.*f", m.IntN(18), 50+m.Float64()*5)), json.Number(fmt.Sprintf("%.6f", -m.Float64()))
	}
	return m.object(map[string]any{"location": l}, "location")
}

func (m maker) service() []byte {
	row := func(all map[string]any) func() map[string]any { return func() map[string]any { return m.object(all) } }
	s := m.object(map[string]any{
		"name": m.text(), "description": m.text(), "url": "https://club.example/a?b=c", "email": "club@club.example", "status": m.one("active", "inactive", "defunct", "temporarily closed"),
		"fees": m.text(), "accreditations": m.text(), "minimum_age": m.IntN(20), "maximum_age": 20 + m.IntN(100), "assured_date": m.date(), "assurer_email": "a@b.example", "alert": m.text(), "last_modified": "2026-01-02T03:04:05Z",
		"schedules": m.list(4, m.schedule), "attributes": m.list(4, m.term), "service_at_locations": m.list(3, m.place),
		"service_areas": m.list(2, func() map[string]any {
			return m.object(map[string]any{"name": m.text(), "service_area": m.text(), "extent": "{}", "extent_type": "geojson", "uri": "u"})
		}),
		"languages": m.list(3, func() map[string]any {
			return m.object(map[string]any{"name": m.one("English", "Klingon", "Welsh"), "code": m.one("en", "cy", "zz-ZZ-9")})
		}),
		"funding": m.list(2, row(map[string]any{"source": m.text()})),
		"cost_options": m.list(3, func() map[string]any {
			return m.object(map[string]any{"option": m.text(), "amount": json.Number(m.one("0", "2.50", "10")), "amount_description": m.text(), "valid_from": m.date()})
		}),
		"contacts": m.list(2, func() map[string]any { return m.object(map[string]any{"name": m.text(), "title": m.text()}) }),
		"phones": m.list(3, func() map[string]any {
			return m.object(map[string]any{"number": "01632 960000", "type": m.one("voice", "cell", "fax", "smoke"), "description": m.text()})
		}),
		"organization": m.object(map[string]any{"name": m.text(), "description": m.text(), "email": "o@o.example", "website": "https://o.example", "logo": "https://o.example/l.png", "uri": "https://o.example/u",
			"organization_identifiers": m.list(3, func() map[string]any {
				return m.object(map[string]any{"identifier_scheme": m.one("GB-CHC", "GB-COH", "GB-SC"), "identifier_type": m.text(), "identifier": "1234567"}, "identifier_type", "identifier")
			})}, "name", "description"),
	}, "name", "status")
	if m.v1 {
		s = version1(s)
	}
	b, _ := json.Marshal(s)
	return b
}

// version1 gives the parts the names of version 1.
func version1(s map[string]any) map[string]any {
	for from, to := range map[string]string{"schedules": "regular_schedules", "funding": "fundings"} {
		if v, ok := s[from]; ok {
			s[to] = v
			delete(s, from)
		}
	}
	s["eligibilitys"] = []any{map[string]any{"id": "e", "minimum_age": s["minimum_age"], "maximum_age": s["maximum_age"], "eligibility": nil}}
	s["contacts"] = []any{map[string]any{"id": "c1", "name": "A"}, map[string]any{"id": "c2", "phones": s["phones"]}}
	s["holiday_schedules"] = []any{map[string]any{"id": "h", "closed": true, "start_date": "2026-12-24"}}
	s["logo"], s["reviews"] = nil, []any{}
	list, _ := s["attributes"].([]any)
	var terms []any
	for _, e := range list {
		a := e.(map[string]any)
		if t, ok := a["taxonomy_term"].(map[string]any); ok {
			t["vocabulary"] = t["taxonomy"]
			delete(t, "taxonomy")
			terms = append(terms, map[string]any{"id": a["id"], "taxonomy": t})
		}
	}
	s["service_taxonomys"], s["link_taxonomy"] = terms, terms
	for _, k := range []string{"attributes", "minimum_age", "maximum_age", "phones"} {
		delete(s, k)
	}
	return s
}

// equal reads a service, holds that it comes back as an equal JSON value without
// a loss, and returns its bundle.
func equal(t testing.TB, f mapping.Format, name string, doc []byte) []byte {
	t.Helper()
	res := f.Read(doc)
	if len(res.Records) != 1 || res.Records[0].Refused() {
		t.Fatalf("%s: refused: %v %+v\nin %s", name, res.Faults, res.Records, doc)
	}
	w := f.Write(res.Records[0].Bundle)
	if !reflect.DeepEqual(value(t, []byte(w.Document)), value(t, doc)) || len(w.Losses) > 0 {
		t.Fatalf("%s: came back with %v as %s\nfrom %s", name, w.Losses, w.Document, doc)
	}
	return res.Records[0].Bundle
}

// value decodes JSON with numbers as they are written.
func value(t testing.TB, b []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

// published compiles the published schema of a service; nil when it is not there.
func published(t testing.TB) *jsonschema.Schema {
	t.Helper()
	b, err := os.ReadFile("../../../shared/standards/schemas/oruk-v3/service.json")
	if err != nil {
		t.Log("the published schemas of Open Referral UK are not there: nothing is held against them")
		return nil
	}
	c := jsonschema.NewCompiler()
	c.Draft, c.AssertFormat = jsonschema.Draft2020, true
	c.LoadURL = func(string) (io.ReadCloser, error) { return nil, errors.New("nothing is fetched") }
	if err := c.AddResource("https://schema.example/this.json", bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("https://schema.example/this.json")
}

// TestGenerated holds for invented services of both versions: they come back
// equal, they are valid R4 under our profiles, and the published schema accepts
// what is written of version 3, and of version 1 once it is made to follow it.
func TestGenerated(t *testing.T) {
	v, err := profiles.New()
	if err != nil {
		t.Fatal(err)
	}
	schema := published(t)
	three, ok3 := lookup("oruk-v3")
	one, ok1 := lookup("oruk-v1")
	if !ok3 || !ok1 {
		t.Fatal("a format is missing")
	}
	for i := range generated {
		for _, v1 := range []bool{false, true} {
			f := three
			if v1 {
				f = one
			}
			name := fmt.Sprintf("%s, %d", f.Info().ID, i)
			doc := maker{rand.New(rand.NewPCG(uint64(i), 7)), v1}.service()
			bundle := equal(t, f, name, doc)
			r, err := fhir.Decode(bundle)
			if err != nil {
				t.Fatal(err)
			}
			if err := fhir.Faults(v.Validate(r, profiles.Options{})); err != nil {
				t.Fatalf("%s: %v\nin %s", name, fhir.AsError(err).Issues, doc)
			}
			o, err := oruk.Decode(three.Write(bundle).Document)
			if err != nil {
				t.Fatal(err)
			}
			if v1 {
				oruk.Conform(o, "test")
			}
			if schema == nil {
				continue
			}
			if err := schema.Validate(value(t, oruk.Encode(o))); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, oruk.Encode(o))
			}
		}
	}
}
