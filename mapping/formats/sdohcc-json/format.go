// Package sdohcc holds the formats sdohcc-json and bser-json: referrals of the
// United States, which are FHIR R4 on both sides. What is the same on both sides
// passes as it is; the package knows only what is not:
//
//   - on the way in, references are resolved within the Bundle, the request is
//     marked as a social prescribing referral, and an active one is held until a
//     person has seen to consent under the law here;
//   - on the way out, what means nothing abroad or must not go there is left out
//     and listed: NHS and ODS identifiers, extensions of the UK and ours, codes of
//     the UK, flags. Nothing of US Core is invented.
//
// Every element that does not pass is a loss with its FHIRPath, and the shape
// that the guides insist on (the Task's code, the message's event) is checked.
package sdohcc

import (
	"fmt"
	"io"
	"slices"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

// MaxDocument is the largest document in bytes.
const MaxDocument = 4 << 20

// A Format is one of the two.
type Format struct {
	info    mapping.Info
	message bool // BSeR: a message with a header
}

var _ mapping.Format = Format{}

const version = "1.0.0"

// New returns the format sdohcc-json: Gravity's SDOH Clinical Care 3.0.0.
func New() Format {
	return Format{info: info("sdohcc-json", "Gravity SDOH Clinical Care referral, a Bundle of ServiceRequest and Task (US)", "3.0.0")}
}

// NewBSeR returns the format bser-json: Bidirectional Services eReferral
// 2.0.0-ballot.
func NewBSeR() Format {
	return Format{info: info("bser-json", "Bidirectional Services eReferral, a message Bundle (US)", "2.0.0-ballot"), message: true}
}

func info(id, partner, of string) mapping.Info {
	return mapping.Info{ID: id, Version: version, Partner: partner, PartnerVersion: of, Status: "active", In: true, Out: true, Receipt: "fhir",
		Senders: []string{"community-provider", "service-manager", "importer", "sandbox"}, MediaTypes: []string{"application/fhir+json", "application/json"}}
}

// Info describes the format.
func (f Format) Info() mapping.Info { return f.info }

// carried are the types that pass. Others are left out and listed.
func carried(typ string) bool {
	return slices.Contains([]string{"ServiceRequest", "Task", "Patient", "Practitioner", "PractitionerRole", "Organization", "Condition", "Consent",
		"Goal", "HealthcareService", "Location", "Observation", "QuestionnaireResponse", "RelatedPerson", "CareTeam", "Procedure"}, typ)
}

// ReadStream reads one document; see [Format.Read].
func (f Format) ReadStream(r io.Reader, yield func(mapping.Record) bool) []fhir.Issue {
	return mapping.StreamWhole(r, MaxDocument, f.Read, yield)
}

func issue(code fhir.Code, at, text string) fhir.Issue {
	return fhir.Issue{Severity: fhir.SeverityError, Code: code, Source: at, Expression: at, Rule: "shape", Text: text}
}

// An entry is one resource of the Bundle.
type entry struct {
	url      string
	resource fhir.Value
	at       string
}

func (e entry) typ() string { return e.resource.Get("resourceType").Text() }

// entries lists the resources of a document, and the first of a type.
type entries []entry

func list(res fhir.Resource) entries {
	if res.Type() != "Bundle" {
		return entries{{resource: res.Root(), at: res.Type()}}
	}
	var out entries
	i := 0
	for e := range res.Root().Get("entry").All() {
		if r := e.Get("resource"); r.Kind() == fhir.Object {
			out = append(out, entry{e.Get("fullUrl").Text(), r, fmt.Sprintf("Bundle.entry[%d].resource", i)})
		}
		i++
	}
	return out
}

func (es entries) of(typ string) entries {
	return slices.DeleteFunc(slices.Clone(es), func(e entry) bool { return e.typ() != typ })
}

// names are what the carried entries are called in references: by fullUrl and
// by type and id. The value is what they shall be called.
func (es entries) names(called func(i int, e entry) string) map[string]string {
	out := map[string]string{}
	for i, e := range es {
		if !carried(e.typ()) {
			continue
		}
		url := called(i, e)
		for _, n := range []string{e.url, e.typ() + "/" + e.resource.Get("id").Text()} {
			if _, taken := out[n]; !taken && n != "" && n != e.typ()+"/" {
				out[n] = url
			}
		}
	}
	return out
}
