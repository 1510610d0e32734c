package rest

import (
	"bytes"
	"mime"
	"net/http"

	"trellis.example/fhir"
	"trellis.example/fhir/patch"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// JSONPatch is the media type of RFC 6902.
const JSONPatch = "application/json-patch+json"

// Patch serves PATCH /fhir/{type}/{id} and PATCH /fhir/{type}?criteria: a JSON
// Patch, or a FHIRPath Patch as Parameters. The result is judged as an update
// is, and keeps its id. Without If-Match the patch is applied anew when somebody
// else was faster.
func (a *API) Patch() *Operation {
	return &Operation{Interaction: "patch", Action: audit.Update, api: a, run: a.patch}
}

func (a *API) patch(q *Request) (Response, error) {
	if err := q.mayChange("patch"); err != nil {
		return Response{}, err
	}
	apply, body, err := q.patch()
	if err != nil {
		return Response{}, err
	}
	once, resp, err := q.once(body)
	if once.answered || err != nil {
		return resp, err
	}
	return a.replace(q, once, func(old *store.Version) (fhir.Resource, error) {
		if old == nil {
			return fhir.Resource{}, notFound()
		}
		return patched(*old, apply)
	})
}

// mayChange refuses what cannot be done or answered before the body is read.
func (q *Request) mayChange(interaction string) error {
	if err := q.Principal.Require(interaction, q.Type); err != nil {
		return err
	}
	if err := q.only(); err != nil && !q.byCriteria() {
		return err
	}
	return nil
}

// An applier changes a document.
type applier func(doc []byte) ([]byte, error)

// patch reads the patch that the request sends.
func (q *Request) patch() (applier, []byte, error) {
	name, _, err := mime.ParseMediaType(q.Header.Get("Content-Type"))
	if err == nil && name == JSONPatch {
		ops, err := Body(q.Request, fhir.MaxResource)
		return jsonPatch(ops), ops, err
	}
	if ContentType(q.Header) != nil {
		return nil, nil, fhir.StatusErrorf(http.StatusUnsupportedMediaType, fhir.NotSupported, "send a patch as %s, or as %s with Parameters", JSONPatch, MediaType)
	}
	params, err := q.parameters()
	return pathPatch(params), params.JSON(), err
}

func jsonPatch(ops []byte) applier {
	return func(doc []byte) ([]byte, error) { return patch.JSON(doc, ops) }
}

func pathPatch(params fhir.Resource) applier {
	return func(doc []byte) ([]byte, error) { return patch.FHIRPath(doc, params) }
}

// patched applies a patch to a version. What identifies the resource stays.
func patched(old store.Version, apply applier) (fhir.Resource, error) {
	before, err := fhir.Decode(old.Body)
	if err != nil {
		return before, err
	}
	b, err := apply(old.Body)
	if err != nil {
		return before, err
	}
	after, err := fhir.Decode(b)
	if err != nil {
		return before, err
	}
	var issues []fhir.Issue
	for _, at := range [...][]any{{"resourceType"}, {"id"}, {"meta", "versionId"}} {
		if was := before.Root().At(at...); !bytes.Equal(was.Raw(), after.Root().At(at...).Raw()) {
			issues = append(issues, fhir.Issue{Code: fhir.BusinessRule, Rule: "patch-identity", Expression: was.Path(), Text: "a patch must not change this element"})
		}
	}
	return after, fhir.Faults(issues)
}
