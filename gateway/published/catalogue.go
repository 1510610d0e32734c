package published

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
	"trellis.example/profiles"
)

// at is when the published resources were last updated: the release of the
// definitions that they state.
var at = time.Date(2026, time.November, 23, 0, 0, 0, 0, time.UTC)

// A Catalogue holds the published resources. It is safe for concurrent use.
type Catalogue struct {
	registry *search.Registry
	types    map[string]*shelf
}

// A shelf holds the resources of one type.
type shelf struct {
	once  sync.Once
	make  func() []json.RawMessage
	items []item // sorted by id
	// params are those that an item has entries of.
	params map[string]bool
}

type item struct {
	store.Version
	index []store.Index
}

type object = map[string]any

// access lets everyone see an item whose role reads the type, and nobody change
// it.
var access = auth.NewAccess("trellis", auth.PartyPublic)

// New returns the catalogue of what the gateway works by: R4's own definitions,
// and those that v judges documents by. base is the FHIR base URL, without a
// trailing slash.
func New(defs *definitions.Definitions, reg *search.Registry, v *profiles.Validator, base string) *Catalogue {
	return &Catalogue{registry: reg, types: map[string]*shelf{
		"StructureDefinition":   {make: func() []json.RawMessage { return structures(v) }},
		"CodeSystem":            {make: func() []json.RawMessage { return held(v, "CodeSystem") }},
		"ConceptMap":            {make: func() []json.RawMessage { return held(v, "ConceptMap") }},
		"Questionnaire":         {make: func() []json.RawMessage { return held(v, "Questionnaire") }},
		"ValueSet":              {make: func() []json.RawMessage { return append(held(v, "ValueSet"), rendered("ValueSet", valueSets(defs))...) }},
		"SearchParameter":       {make: func() []json.RawMessage { return rendered("SearchParameter", searchParameters(defs, reg)) }},
		"CompartmentDefinition": {make: func() []json.RawMessage { return rendered("CompartmentDefinition", compartments(defs, reg)) }},
		"MessageDefinition":     {make: func() []json.RawMessage { return rendered("MessageDefinition", messageDefinitions()) }},
		"OperationDefinition":   {make: func() []json.RawMessage { return rendered("OperationDefinition", operationDefinitions(base)) }},
	}}
}

// of returns the items of a type, which are made at the first call.
func (c *Catalogue) of(typ string) []item {
	s := c.types[typ]
	if s == nil {
		return nil
	}
	s.once.Do(func() {
		for _, o := range s.make() {
			s.items = append(s.items, c.item(typ, o))
		}
		slices.SortStableFunc(s.items, func(a, b item) int { return strings.Compare(a.Key.ID, b.Key.ID) })
		s.items = slices.CompactFunc(s.items, func(a, b item) bool { return a.Key.ID == b.Key.ID }) // a user's own may take an id of ours
		s.params = map[string]bool{"_id": true, "_lastUpdated": true}
		for _, it := range s.items {
			for _, e := range it.index {
				s.params[e.Param] = true
			}
		}
		s.make = nil
	})
	return s.items
}

// rendered writes resources of a type, which is their first member.
func rendered(typ string, list []object) []json.RawMessage {
	out := make([]json.RawMessage, len(list))
	for i, o := range list {
		b, _ := json.Marshal(o) //nolint:errchkjson // strings, numbers and lists of them
		out[i] = append([]byte(`{"resourceType":"`+typ+`",`), b[1:]...)
	}
	return out
}

// item makes a stored version of a resource. That each is valid is proved by
// test.
func (c *Catalogue) item(typ string, b []byte) item {
	res, err := fhir.Decode(b)
	if err != nil {
		return item{}
	}
	id := res.ID()
	return item{index: c.registry.Index(res), Version: store.Version{
		Key: store.Key{Type: typ, ID: id}, Number: 1, Updated: at, Body: res.Stamp(id, 1, at), Access: access,
	}}
}

// find returns the item of a key.
func (c *Catalogue) find(k store.Key) (item, bool) {
	items := c.of(k.Type)
	i, ok := slices.BinarySearchFunc(items, k.ID, func(it item, id string) int { return strings.Compare(it.Key.ID, id) })
	if !ok {
		return item{}, false
	}
	return items[i], true
}

// maxID is the length of the longest id in FHIR.
const maxID = 64

// lastSegment is the id of a resource with that canonical; the end of it when
// it is too long for an id.
func lastSegment(url string) string {
	id := url[strings.LastIndexByte(url, '/')+1:]
	return strings.TrimLeft(id[max(0, len(id)-maxID):], "-")
}
