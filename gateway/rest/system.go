package rest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
)

// The limits of a batch or transaction.
const (
	maxBundle  = 16 << 20 // bytes
	maxEntries = 1000
)

// System serves POST /fhir: a batch, whose entries are requests of their own, or
// a transaction, whose entries happen together or not at all.
func (a *API) System() *Operation {
	return &Operation{Interaction: "transaction", Action: audit.Execute, api: a, run: a.system}
}

func (a *API) system(q *Request) (Response, error) {
	if err := q.only(); err != nil {
		return Response{}, err
	}
	if err := ContentType(q.Header); err != nil {
		return Response{}, err
	}
	body, err := Body(q.Request, maxBundle)
	if err != nil {
		return Response{}, err
	}
	b, err := fhir.DecodeLimit(body, maxBundle)
	if err != nil {
		return Response{}, err
	}
	if err := bundleFault(b); err != nil {
		return Response{}, err
	}
	if b.Root().Get("type").Text() == "batch" {
		q.entry.Interaction = "batch"
		return a.batch(q, b)
	}
	return a.transaction(q, b, body)
}

// bundleFault refuses what is no batch and no transaction.
func bundleFault(b fhir.Resource) error {
	if b.Type() != "Bundle" {
		return fhir.Errorf(fhir.Invalid, "the base takes a Bundle of type batch or transaction; other resources are posted to their own type")
	}
	if t := b.Root().Get("type").Text(); t != "batch" && t != "transaction" {
		return fhir.Errorf(fhir.NotSupported, "only a Bundle of type batch or transaction is taken here")
	}
	entries := b.Root().Get("entry")
	switch {
	case entries.Len() > maxEntries:
		return fhir.StatusErrorf(http.StatusRequestEntityTooLarge, fhir.TooCostly, "a Bundle may have at most %d entries", maxEntries)
	case entries.Kind() != fhir.Array || entries.Len() == 0:
		return &fhir.Error{Status: http.StatusUnprocessableEntity, Issues: []fhir.Issue{{Code: fhir.Required, Expression: "Bundle.entry", Text: "the Bundle has no entry"}}}
	}
	return nil
}

// phases is the order in which the entries of a Bundle are done (R4 http,
// section 3.1.0.11.2).
var phases = [][]string{{"DELETE"}, {"POST"}, {"PUT", "PATCH"}, {"GET", "HEAD"}}

// phase returns the place of a method in phases; -1 when it has none.
func phase(method string) int {
	return slices.IndexFunc(phases, func(ms []string) bool { return slices.Contains(ms, method) })
}

// below returns an entry's address as it stands below the FHIR base.
func (a *API) below(address string) (string, bool) {
	address = strings.TrimPrefix(address, a.base+"/")
	path, _, _ := strings.Cut(address, "?")
	bad := address == "" || address[0] == '/' || strings.ContainsAny(path, ":#") || strings.Contains(path, "..")
	return address, !bad
}

// entryRequest makes the request that an entry stands for, as if it had come by
// itself: same caller, same preferences, with the conditions of the entry.
func (q *Request) entryRequest(e fhir.Entry) (*http.Request, error) {
	address, ok := q.api.below(e.URL)
	u, err := url.Parse("/fhir/" + address)
	if !ok || err != nil {
		return nil, fhir.Errorf(fhir.Invalid, "request.url is an address below the base, such as Patient/1")
	}
	body, contentType, err := entryBody(e)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(q.Context(), e.Method, u.String(), strings.NewReader(body))
	if err != nil {
		return nil, fhir.Wrap(err, fhir.Invalid, "the request of the entry is not well formed")
	}
	r.RemoteAddr = q.RemoteAddr
	for name, value := range map[string]string{
		"Content-Type": contentType, "If-Match": e.IfMatch, "If-None-Match": e.IfNoneMatch, "If-None-Exist": e.IfNoneExist,
		"If-Modified-Since": modifiedSince(e),
	} {
		if value != "" {
			r.Header[name] = []string{value}
		}
	}
	r.Header["Prefer"] = append([]string{}, q.Header["Prefer"]...)
	if q.prefer("return") == "" {
		r.Header["Prefer"] = append(r.Header["Prefer"], "return=minimal")
	}
	return r, nil
}

// entryBody is the body of the request that an entry stands for. A patch comes
// as Parameters, or as a Binary that holds a JSON Patch.
func entryBody(e fhir.Entry) (body, contentType string, err error) {
	if !e.Resource.Exists() {
		return "", "", nil
	}
	if e.Method != http.MethodPatch || e.Type() != "Binary" {
		return string(e.Resource.Raw()), MediaType, nil
	}
	b, err := base64.StdEncoding.DecodeString(e.Resource.Get("data").Text())
	if err != nil {
		return "", "", fhir.Errorf(fhir.Invalid, "the data of the Binary is not base64")
	}
	return string(b), e.Resource.Get("contentType").Text(), nil
}

// modifiedSince is the entry's ifModifiedSince as a header says it.
func modifiedSince(e fhir.Entry) string {
	s := e.Value.At("request", "ifModifiedSince").Text()
	if s == "" {
		return ""
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return s // ignored, as a header that is no date is
	}
	return t.UTC().Format(http.TimeFormat)
}

// place is where an entry stands.
func place(i int) string { return fmt.Sprintf("Bundle.entry[%d]", i) }
