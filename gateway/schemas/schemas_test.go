package schemas

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"trellis.example/fhir/definitions"
	"trellis.example/profiles/schema"
)

func TestHandler(t *testing.T) {
	made := 0
	h := New("https://gw.example", func() *schema.Set { made++; return schema.New(definitions.R4(), nil, nil) })
	if made != 0 {
		t.Error("the schemas are made at the first request, not before")
	}
	do := func(method, path, header, value string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		if header != "" {
			r.Header.Set(header, value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	patient := do("GET", "/schemas/r4-Patient.json", "", "")
	tag := patient.Header().Get("ETag")
	if patient.Code != 200 || !json.Valid(patient.Body.Bytes()) || patient.Header().Get("Content-Type") != mediaType || tag == "" ||
		patient.Header().Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(patient.Header().Get("Cache-Control"), "max-age") {
		t.Errorf("r4-Patient: %d %v", patient.Code, patient.Header())
	}
	tests := []struct {
		method, path, header, value string
		want                        int
		empty                       bool
	}{
		{method: "HEAD", path: "/schemas/r4-Patient.json", want: 200, empty: true},
		{method: "GET", path: "/schemas/r4-Patient.json", header: "If-None-Match", value: `"x", W/` + tag, want: http.StatusNotModified, empty: true},
		{method: "GET", path: "/schemas/r4-Patient.json", header: "If-None-Match", value: `"x"`, want: 200},
		{method: "GET", path: "/schemas/", want: 200},
		{method: "GET", path: "/schemas/r4-Nonsense.json", want: 404},
		{method: "GET", path: "/schemas/r4-Patient", want: 404},
		{method: "GET", path: "/schemas/../r4-Patient.json", want: 404},
		{method: "GET", path: "/schemas/r4-Patient.json/", want: 404},
	}
	for _, tt := range tests {
		if w := do(tt.method, tt.path, tt.header, tt.value); w.Code != tt.want || tt.empty != (w.Body.Len() == 0) {
			t.Errorf("%s %s (%s): %d with %d bytes, want %d", tt.method, tt.path, tt.value, w.Code, w.Body.Len(), tt.want)
		}
	}
	var list struct {
		Schemas []item `json:"schemas"`
	}
	if err := json.Unmarshal(do("GET", "/schemas/", "", "").Body.Bytes(), &list); err != nil || len(list.Schemas) != 146 {
		t.Fatalf("%d schemas listed, %v", len(list.Schemas), err)
	}
	if it := list.Schemas[0]; it.URL != "https://gw.example/schemas/"+it.Name+".json" || it.ID == "" || it.Profile == "" {
		t.Errorf("the list says %+v", it)
	}
	if made != 1 {
		t.Errorf("the schemas were made %d times", made)
	}
}
