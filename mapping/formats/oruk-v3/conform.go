package oruk

import (
	stdjson "encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v5"

	"trellis.example/fhir"
)

// Conform makes a service of version 3 one that the published JSON Schema
// accepts, for a directory that is open to machines of strangers: ids that are
// no UUIDs become some (the same for the same scope and id), values of another
// type or form than the schema's are left out, and what it requires is filled
// as by [Format.Write]. A document as a format wrote it may need this where the
// directory that it came from was itself less than strict.
func Conform(doc map[string]any, scope string) {
	c := conformer{scope: scope}
	c.object(doc)
	// Rows that lack what only the directory knows are completed as ours.
	f := completer{words: version3, resource: fhir.Value{}, seed: scope + " " + text(doc, "id")}
	f.service(doc)
	c.object(doc)
}

type conformer struct{ scope string }

// The members that the schema knows, by what stands in them. Any other member
// is left as it is.
var (
	numbers = set("minimum_age", "maximum_age", "interval", "latitude", "longitude", "amount")
	lists   = set("schedules", "service_areas", "service_at_locations", "addresses", "attributes", "accessibility", "languages", "organization_identifiers", "funding", "cost_options", "contacts", "services", "taxonomy_terms", "phones")
	objects = set("organization", "location", "taxonomy_term", "service")
	strs    = set("name", "description", "url", "email", "status", "fees", "accreditations", "assured_date", "assurer_email", "alert", "last_modified",
		"valid_from", "valid_to", "dtstart", "freq", "byday", "bymonthday", "opens_at", "closes_at", "schedule_link", "attending_type", "notes",
		"extent", "extent_type", "uri", "service_area", "location_type", "external_identifier", "external_identifier_type",
		"attention", "address_1", "city", "region", "state_province", "postal_code", "country", "address_type", "details",
		"website", "logo", "identifier_scheme", "identifier_type", "identifier", "source", "option", "amount_description", "title",
		"link_type", "taxonomy", "term_uri", "term", "version")
	formats = map[string]string{"url": "uri", "website": "uri", "uri": "uri", "term_uri": "uri", "schedule_link": "uri", "email": "email", "assurer_email": "email", "last_modified": "date-time"}
	enums   = map[string]map[string]bool{
		"status": set("active", "inactive", "defunct", "temporarily closed"), "freq": set("WEEKLY", "MONTHLY"),
		"location_type": set("physical", "postal", "virtual"), "address_type": set("physical", "postal", "virtual"),
	}
)

func set(names ...string) map[string]bool {
	m := map[string]bool{}
	for _, n := range names {
		m[n] = true
	}
	return m
}

func (c conformer) object(o map[string]any) {
	for _, k := range slices.Sorted(maps.Keys(o)) {
		if v, ok := c.member(k, o[k]); ok {
			o[k] = v
		} else {
			delete(o, k)
		}
	}
}

// member returns what a member is to hold; false when nothing.
func (c conformer) member(k string, v any) (any, bool) {
	switch {
	case v == nil:
		return nil, false
	case k == "id" || strings.HasSuffix(k, "_id"):
		return c.id(v)
	case numbers[k]:
		return numeric(v)
	case k == "accessibility":
		if s, ok := scalar(v); ok { // of a row; of a place it is a list
			return s, true
		}
		return c.list(v)
	case lists[k]:
		return c.list(v)
	case objects[k]:
		m, ok := v.(map[string]any)
		if ok {
			c.object(m)
		}
		return m, ok
	case strs[k]:
		return word(k, v)
	}
	return v, true
}

// id returns a UUID: the id itself, or one that is made of it.
func (c conformer) id(v any) (any, bool) {
	s, ok := scalar(v)
	if !ok || s == "" {
		return nil, false
	}
	if jsonschema.Formats["uuid"](s) {
		return s, true
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://trellis.example/openreferral/id/"+c.scope+"|"+s)).String(), true
}

func (c conformer) list(v any) (any, bool) {
	in, ok := v.([]any)
	if !ok {
		return nil, false
	}
	out := make([]any, 0, len(in))
	for _, e := range in {
		if o, ok := e.(map[string]any); ok {
			c.object(o)
			out = append(out, o)
		}
	}
	return out, true
}

func numeric(v any) (any, bool) {
	s, ok := scalar(v)
	if !ok {
		return nil, false
	}
	if _, err := strconv.ParseFloat(s, 64); err != nil || !stdjson.Valid([]byte(s)) {
		return nil, false
	}
	return stdjson.Number(s), true
}

func word(k string, v any) (any, bool) {
	s, ok := scalar(v)
	if !ok {
		return nil, false
	}
	if k == "status" || k == "location_type" || k == "address_type" {
		s = strings.ToLower(s)
	}
	if f := formats[k]; f != "" && !jsonschema.Formats[f](s) || enums[k] != nil && !enums[k][s] {
		return nil, false
	}
	return s, true
}

// scalar is the text of a string, number or boolean.
func scalar(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case stdjson.Number:
		return x.String(), true
	case bool:
		return strconv.FormatBool(x), true
	}
	return "", false
}

// Decode reads a service as [Format.Write] writes it, numbers as they are
// written.
func Decode(document string) (map[string]any, error) {
	v, err := decode([]byte(document))
	if err != nil {
		return nil, err
	}
	o, ok := v.(map[string]any)
	if !ok {
		return nil, fhir.Errorf(fhir.Structure, "expected a JSON object")
	}
	return o, nil
}

// Encode writes JSON with its members in the order of their names, and without
// escapes that only HTML needs.
func Encode(v any) []byte { return encode(v) }
