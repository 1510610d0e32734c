package bulk

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// maxShown is how many faulty lines an answer names.
const maxShown = 100

// Import serves POST /fhir/$import for clients who load existing records with
// their ids: the body is NDJSON. What was stored before a failure stays; the
// same body sent again goes over what is there without changing it. api gives
// the clock and validates.
func Import(api *rest.API, s store.Store, r *search.Registry) *rest.Operation {
	return api.Custom(audit.Create, "import", func(q *rest.Request) (rest.Response, error) {
		if !q.Principal.UpdateAsCreate() {
			return rest.Response{}, fhir.Errorf(fhir.Forbidden, "only an importer loads records with their ids")
		}
		if name, _, err := mime.ParseMediaType(q.Header.Get("Content-Type")); err != nil || !slices.Contains([]string{"application/fhir+ndjson", "application/ndjson"}, name) {
			return rest.Response{}, fhir.StatusErrorf(http.StatusUnsupportedMediaType, fhir.NotSupported, "send the body as application/fhir+ndjson, one resource a line")
		}
		if q.Header.Get("Content-Encoding") != "" {
			return rest.Response{}, fhir.StatusErrorf(http.StatusUnsupportedMediaType, fhir.NotSupported, "send the body without a Content-Encoding")
		}
		var faults []Fault
		im := &Importer{
			Store: s, Registry: r, Owner: q.Principal.Owner(), Clock: api.Clock,
			Validate: func(res fhir.Resource) []fhir.Issue { return api.Validate(q.Context(), q.Principal, res) },
			Entry:    audit.NewEntry(q.Context(), api.Clock(), audit.Create, "import"),
			Fault: func(f Fault) {
				if len(faults) < maxShown {
					faults = append(faults, f)
				}
			},
		}
		count, err := im.Import(q.Context(), q.Body)
		if err != nil {
			return rest.Response{}, err
		}
		body, err := json.Marshal(result(count, faults))
		return rest.Response{Body: body}, err
	})
}

type object = map[string]any

// result is the answer: the counts, and an OperationOutcome with the faults.
func result(c Count, faults []Fault) object {
	params := []object{}
	for _, p := range []struct {
		name string
		n    int
	}{{"created", c.Created}, {"updated", c.Updated}, {"unchanged", c.Unchanged}, {"refused", c.Refused}} {
		params = append(params, object{"name": p.name, "valueInteger": p.n})
	}
	for _, f := range faults {
		params = append(params, object{"name": "fault", "part": []object{
			{"name": "line", "valueInteger": f.Line},
			{"name": "outcome", "resource": json.RawMessage(fhir.Outcome(f.Issues))},
		}})
	}
	return object{"resourceType": "Parameters", "parameter": params}
}
