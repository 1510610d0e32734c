package rest

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// maxMeta is how many resources $meta of a type or of everything looks at.
const maxMeta = 10_000

// Meta serves GET /fhir/{type}/{id}/$meta: the meta of a resource (R4 operation
// Resource-meta).
func (a *API) Meta() *Operation {
	return &Operation{Interaction: "meta", Action: audit.Read, api: a, run: func(q *Request) (Response, error) {
		if err := q.Principal.Require("read", q.Type); err != nil {
			return Response{}, err
		}
		if err := q.only(); err != nil {
			return Response{}, err
		}
		v, err := a.Store.Read(q.Context(), q.Principal.View("read"), store.Key{Type: q.Type, ID: q.ID})
		if err == nil && v.Deleted {
			err = gone()
		}
		if err != nil {
			return Response{}, err
		}
		q.entry.Entities[0] = versionName(v.Key, v.Number)
		q.entry.Patients = q.patientsOf(v.Key, v.Body)
		return q.metaAnswer([]byte(gjson.GetBytes(v.Body, "meta").Raw))
	}}
}

// MetaType serves GET /fhir/{type}/$meta: the profiles, tags and security labels
// of all resources of the type that the caller sees.
func (a *API) MetaType() *Operation {
	return &Operation{Interaction: "meta", Action: audit.Execute, api: a, run: func(q *Request) (Response, error) {
		q.entry.Entities = []string{q.Type + "/$meta?"}
		if err := q.Principal.Require("search-type", q.Type); err != nil {
			return Response{}, err
		}
		return a.metaOf(q, []string{q.Type})
	}}
}

// MetaSystem serves GET /fhir/$meta: those of everything that the caller sees.
func (a *API) MetaSystem() *Operation {
	return &Operation{Interaction: "meta", Action: audit.Execute, api: a, run: func(q *Request) (Response, error) {
		q.entry.Entities = []string{"$meta?"}
		types := q.types("search-system")
		if len(types) == 0 {
			return Response{}, q.Principal.Require("search-system", "*")
		}
		return a.metaOf(q, types)
	}}
}

func (a *API) metaOf(q *Request, types []string) (Response, error) {
	if err := q.only(); err != nil {
		return Response{}, err
	}
	var u metaUnion
	sq := store.ScanQuery{View: q.Principal.View("search-type"), Types: types, Limit: 500}
	for looked := 0; ; {
		page, err := a.Store.Scan(q.Context(), sq)
		if err != nil {
			return Response{}, err
		}
		for _, v := range page.Versions {
			u.add(v.Body)
		}
		if looked += len(page.Versions); page.Next == "" {
			break
		}
		if looked >= maxMeta {
			return Response{}, fhir.Errorf(fhir.TooCostly, "there are more than %d resources to look at; ask for the $meta of a type or of a resource", maxMeta)
		}
		sq.After, sq.Snapshot = page.Next, page.Snapshot
	}
	return q.metaAnswer(u.bytes())
}

// metaAnswer audits and answers with a Meta.
func (q *Request) metaAnswer(meta []byte) (Response, error) {
	if err := q.record(); err != nil {
		return Response{}, err
	}
	b := []byte(`{"resourceType":"Parameters","parameter":[{"name":"return"`)
	if len(meta) > len("{}") { // FHIR has no empty objects
		b = append(append(b, `,"valueMeta":`...), meta...)
	}
	return Response{Body: append(b, `}]}`...)}, nil
}

// A metaUnion collects what the metas of many resources say, each value once.
type metaUnion struct{ profiles, security, tags []string }

func (u *metaUnion) add(body []byte) {
	meta := gjson.GetBytes(body, "meta")
	for _, m := range [...]struct {
		name string
		into *[]string
	}{{"profile", &u.profiles}, {"security", &u.security}, {"tag", &u.tags}} {
		for _, v := range meta.Get(m.name).Array() {
			if at, known := slices.BinarySearch(*m.into, v.Raw); !known {
				*m.into = slices.Insert(*m.into, at, strings.Clone(v.Raw))
			}
		}
	}
}

func (u *metaUnion) bytes() []byte {
	var members []string
	for _, m := range [...]struct {
		name   string
		values []string
	}{{"profile", u.profiles}, {"security", u.security}, {"tag", u.tags}} {
		if len(m.values) > 0 {
			members = append(members, `"`+m.name+`":[`+strings.Join(m.values, ",")+`]`)
		}
	}
	return []byte(`{` + strings.Join(members, ",") + `}`)
}
