package directory

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unique"

	"github.com/google/uuid"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
	"trellis.example/mapping"
	oruk "trellis.example/mapping/formats/oruk-v3"
)

// An entry is what is held in memory of one published service: enough to find
// it and to list it. The service in full is read from the store when it is
// asked for.
type entry struct {
	key     store.Key
	id      string // as published
	number  int
	updated time.Time
	refs    []store.Key

	flat  []byte // as lists show it, its organisation included
	words string // what search looks through
	low   float64
	high  float64 // ages; high 0: no limit
	slots []slot
	terms []term
	org   organisation
	sites []site
}

// A slot is one opening on one day, in minutes after midnight.
type slot struct {
	day         string // "MO"
	opens, ends int
}

type organisation struct {
	id, flat string
}

// A site is a place at which the service is offered.
type site struct {
	id, place string
	flat      []byte // the place as lists show it
	lat, long float64
	known     bool // the position
	postcode  string
}

type term struct{ id, taxonomy, name, description, parent, uri string }

// document renders a service as it is published: the service and what it refers
// to as the format writes them, made to follow the published schema.
func (d *Directory) document(service []byte, neighbours []json.RawMessage, key store.Key, id string) (map[string]any, error) {
	f, ok := d.Formats("oruk-v3")
	if !ok {
		return nil, fhir.Errorf(fhir.Exception, "there is no format oruk-v3")
	}
	writer, ok := f.(interface {
		Object(resource []byte) (map[string]any, mapping.Written)
	})
	if !ok {
		return nil, fhir.Errorf(fhir.Exception, "format oruk-v3 writes no objects")
	}
	doc, w := writer.Object(bundleOf(append([]json.RawMessage{service}, neighbours...)))
	if err := fhir.Faults(w.Faults); err != nil {
		return nil, err
	}
	doc["id"] = id
	oruk.Conform(doc, key.ID)
	return doc, nil
}

// publicID is the id under which a service is published: the one that its
// directory gave it when that is a UUID, else its own.
func publicID(root fhir.Value, key store.Key) string {
	if id := sourceID(root, "service"); uuid.Validate(id) == nil && len(id) == 36 {
		return strings.Clone(id) // the document is not kept for it
	}
	return ownID(key)
}

func ownID(key store.Key) string {
	if uuid.Validate(key.ID) == nil && len(key.ID) == 36 {
		return key.ID
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://trellis.example/openreferral/"+key.String())).String()
}

// fill reads what lists and filters need out of the document.
func (e *entry) fill(doc map[string]any) {
	e.words = fold(text(doc, "name") + " " + text(doc, "description"))
	e.low, e.high = number64(doc["minimum_age"]), number64(doc["maximum_age"])
	for _, s := range rows(doc, "schedules") {
		e.slots = append(e.slots, slots(s)...)
	}
	for _, a := range rows(doc, "attributes") {
		if t, ok := a["taxonomy_term"].(map[string]any); ok && text(t, "id") != "" {
			e.terms = append(e.terms, term{common(t, "id"), common(t, "taxonomy"), common(t, "name"), common(t, "description"), common(t, "parent_id"), common(t, "term_uri")})
		}
	}
	if o, ok := doc["organization"].(map[string]any); ok {
		e.org = organisation{common(o, "id"), one(string(oruk.Encode(flat(o))))}
	}
	for _, s := range rows(doc, "service_at_locations") {
		e.site(s)
	}
	list := flat(doc)
	if e.org.id != "" {
		list["organization"] = json.RawMessage(e.org.flat)
	}
	e.flat = bytes.Clone(oruk.Encode(list))
}

func (e *entry) site(s map[string]any) {
	l, ok := s["location"].(map[string]any)
	if !ok {
		return
	}
	x := site{id: text(s, "id"), place: text(l, "id"), flat: bytes.Clone(oruk.Encode(flat(l)))}
	_, lat := l["latitude"]
	_, long := l["longitude"]
	x.lat, x.long, x.known = number64(l["latitude"]), number64(l["longitude"]), lat && long
	for _, a := range rows(l, "addresses") {
		if x.postcode = postcode(text(a, "postal_code")); x.postcode != "" {
			break
		}
	}
	e.sites = append(e.sites, x)
}

// flat keeps the members that are no lists and no objects.
func flat(o map[string]any) map[string]any {
	out := make(map[string]any, len(o))
	for k, v := range o {
		switch v.(type) {
		case map[string]any, []any:
		default:
			out[k] = v
		}
	}
	return out
}

func text(o map[string]any, name string) string { s, _ := o[name].(string); return s }

// one is the text as it is kept for all who have it: terms and organisations are
// the same for many services.
func one(s string) string { return unique.Make(s).Value() }

func common(o map[string]any, name string) string { return one(text(o, name)) }

func rows(o map[string]any, name string) []map[string]any {
	list, _ := o[name].([]any)
	var out []map[string]any
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func number64(v any) float64 {
	n, _ := v.(json.Number)
	f, _ := strconv.ParseFloat(n.String(), 64)
	return f
}

// slots are the openings of a weekly schedule on each of its days; a schedule by
// the month, or every other week, is open on its days too, but not every week.
func slots(s map[string]any) []slot {
	var out []slot
	for day := range strings.SplitSeq(strings.ToUpper(text(s, "byday")), ",") {
		day = strings.TrimLeft(strings.TrimSpace(day), "+-0123456789")
		if !slices.Contains(weekdays(), day) {
			continue
		}
		opens, ok := minutes(text(s, "opens_at"))
		if !ok {
			opens = 0
		}
		ends, ok := minutes(text(s, "closes_at"))
		if !ok {
			ends = 24 * 60
		}
		out = append(out, slot{day, opens, ends})
	}
	return out
}

func weekdays() []string { return []string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"} }

// minutes reads hh:mm, whatever follows.
func minutes(s string) (int, bool) {
	if len(s) < 5 || s[2] != ':' {
		return 0, false
	}
	h, err := strconv.Atoi(s[:2])
	m, err2 := strconv.Atoi(s[3:5])
	return h*60 + m, err == nil && err2 == nil && h >= 0 && h <= 24 && m >= 0 && m < 60
}

// fold is a text without case, and with single spaces.
func fold(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), " ")
}

// postcode is a postcode without spaces, in capitals; "" when it cannot be one of
// the United Kingdom.
func postcode(s string) string {
	s = strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	if len(s) < 5 || len(s) > 7 || s[len(s)-3] < '0' || s[len(s)-3] > '9' {
		return ""
	}
	return s
}
