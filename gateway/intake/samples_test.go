package intake

import (
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/formats"
	"trellis.example/profiles"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// samplesFolder holds real and composed documents of partners. It is no part of
// the project.
const samplesFolder = "../../../shared/standards/samples"

// sampleFormats says which format each sample is in; "" with the reason in
// notTaken when no format takes it.
var sampleFormats = map[string]string{
	"bars/01-refreq03-gp-to-community-pharmacy.json":       "bars",
	"bars/02-social-prescribing-request-new.json":          "bars",
	"bars/03-social-prescribing-request-cancel.json":       "bars",
	"bars/04-refresp01-dna-safeguarding-response.json":     "bars",
	"bars/05-servreq01-update-revoked.json":                "bars",
	"bars/08-process-message-booking-request.json":         "bars",
	"bars/10-service-request-get.json":                     "fhir",
	"bars/11-healthcareservice-post.json":                  "fhir",
	"ers/04-r4-search-servicerequest.json":                 "ers-json",
	"ers/05-r4-healthcareservice-full.json":                "ers-json",
	"ers/06-r4-operationoutcome-422.json":                  "ers-json",
	"hl7v2/01-REF-I12-01.hl7":                              "hl7v2",
	"hl7v2/02-ADT-A03-01.hl7":                              "hl7v2",
	"hl7v2/03-composed-uk-REF-I12.hl7":                     "hl7v2",
	"hl7v2/04-composed-RRI-I12-accepted.hl7":               "hl7v2",
	"hl7v2/06-composed-ADT-A03-discharge.hl7":              "hl7v2",
	"itk3/01-update-record-bp-check.xml":                   "itk3-xml",
	"itk3/02-signpost-details-clinicalimpression.xml":      "itk3-xml",
	"itk3/03-composed-infack-20013.json":                   "itk3-json",
	"itk3/04-composed-busack-30016-referral-accepted.json": "itk3-json",
	"oruk/v1-composed-lunch-club.json":                     "oruk-v1",
	"oruk/v3-composed-empty-page.json":                     "oruk-v3",
	"oruk/v3-composed-gardening-group.json":                "oruk-v3",
	"oruk/v3-service_full.INVALID.json":                    "oruk-v3",
	"oruk/v3-service_full.json":                            "oruk-v3",
	"oruk/v3-service_list.json":                            "oruk-v3",
	"outcomes/02-composed-redcap-export-raw.csv":           "redcap-csv",
	"outcomes/03-composed-linkworker-ons4.csv":             "ons4-csv",
	"outcomes/04-composed-linkworker-swemwbs.csv":          "swemwbs-csv",
	"outcomes/06-composed-questionnaireresponse-ons4.json": "fhir",
	"outcomes/09-composed-openmhealth-datapoint.json":      "omh-json",
	"pharmacy/01-composed-dms-referral.json":               "dms-json",
	"pharmacy/02-composed-pharmacist-referral.json":        "pharmacy-json",
	"police/01-composed-sdm-style-vulnerable-adult.json":   "sdm-json",
	"police/02-composed-ppn.csv":                           "ppn-csv",
	"police/03-composed-ppn.xml":                           "ppn-xml",
	"prsb/01-composed-referral.json":                       "prsb-json",
	"selfreferral/01-composed-web-form.json":               "self-referral-json",
	"selfreferral/02-composed-web-form-urlencoded.txt":     "self-referral-form",
	"socialcare/01-composed-cld-r1-requests.csv":           "cld-csv",
	"socialcare/02-composed-adult-referral-contact.json":   "adult-contact-json",
	"socialcare/03-composed-savvi-attributes.csv":          "savvi-csv",
	"us/01-sdohcc-task-requested.json":                     "sdohcc-json",
	"us/02-sdohcc-servicerequest.json":                     "sdohcc-json",
}

// notTaken are the samples that are no document of a partner for this gateway,
// and why.
var notTaken = map[string]string{
	"MANIFEST.md": "says where the samples come from",
	"bars/01-refreq03-gp-to-community-pharmacy.xml":         "the JSON form beside it is taken; BaRS is JSON here",
	"bars/06-message-definition-searchset.json":             "what a receiver publishes; not valid R4",
	"bars/07-capability-statement.json":                     "what a receiver publishes; not valid R4",
	"bars/09-process-message-validation-http-response.json": "an answer to a sender",
	"bars/12-composed-http-exchange.txt":                    "an HTTP exchange for readers",
	"ers/01-stu3-create-referral-minimal.json":              "the e-RS write API is STU3 and not spoken",
	"ers/02-stu3-create-referral-response.json":             "the e-RS write API is STU3 and not spoken",
	"ers/03-stu3-create-advice-and-guidance.json":           "the e-RS write API is STU3 and not spoken",
	"hl7v2/01-REF-I12-01.expected-microsoft.json":           "an expectation; compared by the format's own test",
	"hl7v2/02-ADT-A03-01.expected-microsoft.json":           "an expectation; compared by the format's own test",
	"hl7v2/05-composed-ACK-AA.hl7":                          "an acknowledgement, read by the MLLP client",
	"hl7v2/05-composed-ACK-AE.hl7":                          "an acknowledgement, read by the MLLP client",
	"hl7v2/05-composed-ACK-AR.hl7":                          "an acknowledgement, read by the MLLP client",
	"oruk/v3-api_details.json":                              "the root of a feed, no service",
	"oruk/v3-organization.json":                             "an organisation without a service; pulled with its services",
	"oruk/v3-service_at_location_full.json":                 "a service at a location; pulled with its service",
	"oruk/v3-taxonomy_term_list.json":                       "a page of taxonomy terms, no service",
	"outcomes/01-composed-redcap-data-dictionary.csv":       "the dictionary of the export beside it",
	"outcomes/05-composed-questionnaire-ons4.json":          "a Questionnaire; read by the profiles' own tests",
	"outcomes/07-sdc-populate-parameters.json":              "Parameters of an operation, no document",
	"outcomes/08-questionnaire-prsb-about-me.json":          "a Questionnaire; read by the profiles' own tests",
	"us/SDOHCC-Hunger-Vital-Sign-Map.map":                   "a map in another language",
	"us/SDOHCC-PRAPARE-Map.map":                             "a map in another language",
}

var validator = sync.OnceValues(profiles.New)

// TestSamplesAreSorted holds that no sample is overlooked.
func TestSamplesAreSorted(t *testing.T) {
	for _, name := range samples(t) {
		_, taken := sampleFormats[name]
		_, not := notTaken[name]
		ignored := strings.HasSuffix(name, ".fsh") || strings.Contains(name, "operationoutcome/")
		if !taken && !not && !ignored {
			t.Errorf("%s: say which format takes it, or why none does", name)
		}
	}
}

// TestSamples holds what becomes of each sample: valid by our profiles or the
// fault named, the losses, and a return trip that is stable. Read the diff of
// the golden files after -update.
func TestSamples(t *testing.T) {
	for _, name := range samples(t) {
		id, ok := sampleFormats[name]
		if !ok {
			continue
		}
		t.Run(name, func(t *testing.T) {
			doc, err := os.ReadFile(filepath.Join(samplesFolder, name))
			if err != nil {
				t.Fatal(err)
			}
			compareGolden(t, filepath.Join("testdata", "samples", strings.ReplaceAll(name, "/", "-")+".golden.json"), told(t, sampleFormat(t, id), doc))
		})
	}
}

// samples lists the samples, or skips when the folder is not there.
func samples(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(samplesFolder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(samplesFolder, path)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Skipf("the folder of samples is not here: the partners' published documents are not tried (%v)", err)
	}
	return out
}

func sampleFormat(t *testing.T, id string) mapping.Format {
	t.Helper()
	if id == "redcap-csv" { // a project brings its dictionary
		dictionary, err := os.ReadFile(filepath.Join(samplesFolder, "outcomes/01-composed-redcap-data-dictionary.csv"))
		if err != nil {
			t.Fatal(err)
		}
		e, err := formats.OpenOne(fstest.MapFS{
			"project/map.yaml":       {Data: []byte("id: project\nversion: 1.0.0\nbase: redcap-csv\n")},
			"project/dictionary.csv": {Data: dictionary},
		}, "project")
		if err != nil {
			t.Fatal(err)
		}
		return e.Format
	}
	e, ok, err := formats.Lookup(id)
	if err != nil || !ok {
		t.Fatalf("format %s: there %t, %v", id, ok, err)
	}
	return Agreed(e.Format, true)
}

// A telling is what a golden file says of one record: never a value.
type telling struct {
	Accepted bool           `json:"accepted"`
	Types    map[string]int `json:"types,omitempty"`
	Losses   []mapping.Loss `json:"losses,omitempty"`
	Faults   []fault        `json:"faults,omitempty"`
	Back     *wayBack       `json:"back,omitempty"`
}

type fault struct {
	Severity   string `json:"severity"`
	Source     string `json:"source,omitempty"`
	Expression string `json:"expression,omitempty"`
	Rule       string `json:"rule,omitempty"`
	Text       string `json:"text"`
}

type wayBack struct {
	Losses []mapping.Loss `json:"losses,omitempty"`
	Faults []fault        `json:"faults,omitempty"`
}

func told(t *testing.T, f mapping.Format, doc []byte) []byte {
	t.Helper()
	v, err := validator()
	if err != nil {
		t.Fatal(err)
	}
	res := Apply(f, doc, v, profiles.Options{})
	out := struct {
		Faults  []fault   `json:"faults,omitempty"`
		Records []telling `json:"records"`
	}{Faults: plain(res.Faults)}
	for _, rec := range res.Records {
		one := telling{Accepted: !rec.Refused(), Losses: rec.Losses, Faults: plain(rec.Faults)}
		if rec.Bundle != nil {
			one.Types = types(t, rec.Bundle)
			one.Back = back(t, f, rec)
		}
		out.Records = append(out.Records, one)
	}
	b, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// back writes a record in the partner's format again, where it can be, and
// holds that what is written is read as the same.
func back(t *testing.T, f mapping.Format, rec mapping.Record) *wayBack {
	t.Helper()
	if !f.Info().Out {
		return nil
	}
	w := f.Write(rec.Bundle)
	out := &wayBack{Losses: w.Losses, Faults: plain(w.Faults)}
	if fhir.Faults(w.Faults) != nil {
		return out
	}
	again := f.Read([]byte(w.Document))
	if len(again.Records) != 1 || again.Records[0].Bundle == nil {
		t.Errorf("what was written is refused: %v %v", again.Faults, again.Records)
		return out
	}
	if second := f.Write(again.Records[0].Bundle); second.Document != w.Document {
		t.Error("what was written, read and written again is another document")
	}
	return out
}

func plain(issues []fhir.Issue) []fault {
	var out []fault
	for _, is := range issues {
		severity := string(is.Severity)
		if severity == "" {
			severity = string(fhir.SeverityError)
		}
		out = append(out, fault{severity, is.Source, is.Expression, is.Rule, is.Text})
	}
	return out
}

func types(t *testing.T, bundle []byte) map[string]int {
	t.Helper()
	b, err := fhir.DecodeLimit(bundle, transactionLimit)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, e := range b.Entries() {
		out[e.Type()]++
	}
	return out
}

func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != string(got) {
		t.Errorf("%s is another (%v); read the diff after -update:\n%s", path, err, got)
	}
}

// TestCasesAreValid holds that every accepted record of every format's worked
// examples follows our profiles.
func TestCasesAreValid(t *testing.T) {
	v, err := validator()
	if err != nil {
		t.Fatal(err)
	}
	all, err := formats.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		t.Run(e.Info().ID, func(t *testing.T) {
			names, err := fs.Glob(e.Files, "testdata/*/in.*")
			if err != nil {
				t.Fatal(err)
			}
			if len(names) == 0 {
				t.Log("the format brings its own tests")
			}
			slices.Sort(names)
			for _, name := range names {
				doc, err := fs.ReadFile(e.Files, name)
				if err != nil {
					t.Fatal(err)
				}
				for _, rec := range e.Read(doc).Records {
					if rec.Bundle == nil {
						continue
					}
					for _, is := range validateRecord(rec, v, profiles.Options{}) {
						if is.IsError() {
							t.Errorf("%s: %s (%s): %s %s", name, is.Expression, is.Source, is.Rule, is.Text)
						}
					}
				}
			}
		})
	}
}
