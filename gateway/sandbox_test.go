package gateway_test

import (
	"net/http"
	"testing"

	"trellis.example/gateway"
)

// TestSandbox: all types, ids of the client's choice, base R4, no workflow and
// no reference rules; and none of it without --sandbox.
func TestSandbox(t *testing.T) {
	s := newSystem(t, func(c *gateway.Config) { c.Sandbox = true })
	s.partner("kit", "sandbox", "", nil)
	h := http.Header{"Content-Type": {fhirType}}
	s.want(s.do("kit", http.MethodPut, "/fhir/Basic/mine", h, []byte(`{"resourceType":"Basic","id":"mine","code":{"text":"x"},"subject":{"reference":"Patient/nobody"}}`)), 201)
	s.want(s.get("kit", "/fhir/Basic/mine"), 200)
	sr := `{"resourceType":"ServiceRequest","status":"active","intent":"order","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"reference":"Patient/nobody"}}`
	s.want(s.post("kit", "/fhir/ServiceRequest", fhirType, []byte(sr)), 201)
	if n := s.want(s.get("kit", "/fhir/Task"), 200).root(t).Get("entry").Len(); n != 0 {
		t.Errorf("the sandbox started %d Tasks", n)
	}
	s.want(s.post("kit", "/fhir/Patient", fhirType, []byte(`{"resourceType":"Patient","gender":"woman"}`)), 422)
	s.want(s.get("kit", "/fhir/Observation?code=x&value-quantity=1"), 200) // every parameter of R4
	s.want(s.get("kit", "/fhir/Observation?code=x&nonsense=1"), 400)       // not answered, and said so
}
