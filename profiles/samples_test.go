package profiles

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
)

// TestSamples validates partner documents that are FHIR R4, where the folder
// with the shared facts stands beside the module. Published faults are named.
func TestSamples(t *testing.T) {
	dir := "../../shared/standards/samples"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the shared samples are not beside the module")
	}
	tests := []struct{ file, base, ours string }{
		{"bars/01-refreq03-gp-to-community-pharmacy.json", "nhs-number", "nhs-number"}, // the printed NHS number has a wrong check digit
		{"bars/02-social-prescribing-request-new.json", "", ""},
		{"bars/03-social-prescribing-request-cancel.json", "", ""},
		{"bars/08-process-message-booking-request.json", "", ""},
		{"bars/11-healthcareservice-post.json", "type", "type"}, // providedBy is an array
		{"ers/05-r4-healthcareservice-full.json", "", ""},
		{"outcomes/05-composed-questionnaire-ons4.json", "", ""},
		{"outcomes/06-composed-questionnaireresponse-ons4.json", "", ""},
		{"us/01-sdohcc-task-requested.json", "", ""},
		{"us/02-sdohcc-servicerequest.json", "", "tr-request-authored,tr-request-requester"},
	}
	v := newValidator(t)
	for _, tt := range tests {
		b, err := os.ReadFile(filepath.Join(dir, tt.file))
		if err != nil {
			t.Error(err)
			continue
		}
		r, err := fhir.Decode(b)
		if err != nil {
			t.Errorf("%s: %v", tt.file, err)
			continue
		}
		for _, o := range []struct {
			options Options
			want    string
		}{{Options{BaseOnly: true}, tt.base}, {Options{}, tt.ours}} {
			var rules []string
			for _, is := range v.Validate(r, o.options) {
				if is.IsError() {
					rules = append(rules, is.Rule)
				}
			}
			slices.Sort(rules)
			if got := strings.Join(slices.Compact(rules), ","); got != o.want {
				t.Errorf("%s, base only %t: got %q, want %q", tt.file, o.options.BaseOnly, got, o.want)
			}
		}
	}
}
