package rest

import (
	"bytes"
	"errors"
	"net/http"
	"slices"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// metaLists are the elements of meta that $meta-add and $meta-delete change.
var metaLists = []string{"profile", "security", "tag"}

// MetaAdd serves POST /fhir/{type}/{id}/$meta-add (R4 resource operations): the
// profiles, labels and tags of the parameter "meta" are added, in a new version
// when that changes anything. It is an update in every other respect.
func (a *API) MetaAdd() *Operation { return a.metaChange("meta-add", true) }

// MetaDelete serves POST /fhir/{type}/{id}/$meta-delete, which takes them away.
func (a *API) MetaDelete() *Operation { return a.metaChange("meta-delete", false) }

func (a *API) metaChange(name string, add bool) *Operation {
	return &Operation{Interaction: name, Action: audit.Update, api: a, run: func(q *Request) (Response, error) {
		return a.changeMeta(q, add)
	}}
}

func (a *API) changeMeta(q *Request, add bool) (Response, error) {
	if err := q.mayChange("update"); err != nil {
		return Response{}, err
	}
	params, err := q.parameters()
	if err != nil {
		return Response{}, err
	}
	arg, err := metaParameter(params)
	if err != nil {
		return Response{}, err
	}
	once, resp, err := q.once(params.JSON())
	if !once.answered && err == nil {
		resp, err = a.replaceMeta(q, once, arg, add)
	}
	if err != nil {
		return resp, err
	}
	if p := q.prefer("return"); resp.Body != nil && (p == "" || p == "representation") {
		resp.Body = metaReturned(resp.Body)
	}
	return resp, nil
}

// errSame ends a change that would change nothing.
var errSame = errors.New("nothing changes")

func (a *API) replaceMeta(q *Request, once *once, arg fhir.Value, add bool) (Response, error) {
	var same *store.Version
	resp, err := a.replace(q, once, func(old *store.Version) (fhir.Resource, error) {
		res, err := fhir.Decode(old.Body)
		if err != nil {
			return res, err
		}
		meta := res.Root().Get("meta")
		changed := mergedMeta(meta, arg, add)
		if bytes.Equal(changed, mergedMeta(meta, fhir.Value{}, true)) {
			same = old
			return res, errSame
		}
		return withMeta(res, changed)
	})
	if errors.Is(err, errSame) {
		q.entry.Patients = q.patientsOf(same.Key, same.Body)
		return q.preferred(versioned(http.StatusOK, *same), nil), q.record()
	}
	return resp, err
}

// metaParameter is the value of the one parameter that these operations have.
func metaParameter(params fhir.Resource) (fhir.Value, error) {
	list := params.Root().Get("parameter")
	arg := list.At(0, "valueMeta")
	if list.Len() != 1 || list.At(0, "name").Text() != "meta" || arg.Kind() != fhir.Object {
		return arg, fhir.Errorf(fhir.Invalid, "expected one parameter meta with a valueMeta")
	}
	for m := range arg.All() {
		if !slices.Contains(metaLists, m.Key()) || m.Kind() != fhir.Array {
			return arg, &fhir.Error{Issues: []fhir.Issue{{Code: fhir.Invalid, Expression: m.Path(), Text: "expected profile, security or tag, each an array"}}}
		}
	}
	return arg, nil
}

// mergedMeta returns the meta with the elements of arg added or taken away. All
// else of it keeps its bytes.
func mergedMeta(meta, arg fhir.Value, add bool) []byte {
	b, sep := []byte{'{'}, ""
	member := func(name string, raw []byte) {
		b = append(append(fhir.AppendString(append(b, sep...), name), ':'), raw...)
		sep = ","
	}
	for m := range meta.All() {
		if !slices.Contains(metaLists, m.Key()) {
			member(m.Key(), m.Raw())
		}
	}
	for _, name := range metaLists {
		if list := mergedList(meta.Get(name), arg.Get(name), add); list != nil {
			member(name, list)
		}
	}
	return append(b, '}')
}

// mergedList joins or subtracts two lists; nil when nothing is left.
func mergedList(have, arg fhir.Value, add bool) []byte {
	var b []byte
	seen := map[string]bool{}
	take := func(v fhir.Value) {
		if k := metaName(v); !seen[k] {
			seen[k] = true
			b = append(append(b, ','), v.Raw()...)
		}
	}
	if !add {
		for v := range arg.Items() {
			seen[metaName(v)] = true
		}
	}
	for v := range have.Items() {
		take(v)
	}
	if add {
		for v := range arg.Items() {
			take(v)
		}
	}
	if len(b) == 0 {
		return nil
	}
	b[0] = '['
	return append(b, ']')
}

// metaName is what makes two profiles or two codings the same: the URL, or
// system and code.
func metaName(v fhir.Value) string {
	if v.Kind() == fhir.Object {
		return label(v)
	}
	return v.Text()
}

// withMeta returns the resource with another meta.
func withMeta(res fhir.Resource, meta []byte) (fhir.Resource, error) {
	root := res.Root()
	ed := fhir.NewEditor(root)
	if m := root.Get("meta"); m.Exists() {
		ed.SetRaw(m, meta)
	} else {
		ed.Insert(root.Get("resourceType"), "meta", meta)
	}
	return fhir.Decode(ed.Bytes())
}

// metaReturned is the answer of the operations: the meta of the resource.
func metaReturned(body []byte) []byte {
	res, err := fhir.Decode(body)
	if err != nil {
		return body
	}
	b := []byte(`{"resourceType":"Parameters","parameter":[{"name":"return","valueMeta":`)
	return append(append(b, res.Root().Get("meta").Raw()...), `}]}`...)
}
