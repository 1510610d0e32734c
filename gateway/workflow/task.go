package workflow

import (
	"encoding/json"
	"slices"
	"time"

	models "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"trellis.example/fhir"
)

// A Start is what the Task of a new referral is made from.
type Start struct {
	// Request is "ServiceRequest/id"; Root its content, with references that
	// are already ours.
	Request string
	Root    fhir.Value
	// Reference is what people call the referral by, "SP-7KQ4-M2XB"; "" for
	// none.
	Reference string
	// Lawful reports that consent or another lawful basis is recorded.
	Lawful bool
	// Missing are the warnings about items that the referral should carry.
	Missing []fhir.Issue
	Now     time.Time
}

// Task returns the Task of a new referral as JSON, without id. Its status is
// requested, or on-hold when no lawful basis for sharing is recorded; its tag
// says incomplete when items are missing, and its notes which. As a Provenance,
// it is written without reflection.
func Task(s Start) ([]byte, error) {
	notes := missingNotes(s.Missing)
	b := append(make([]byte, 0, 1024+256*len(notes)), `{"meta":{"profile":["`+TaskProfile+`"]`...)
	if len(notes) > 0 {
		b = append(b, `,"tag":[{"system":"`+TagSystem+`","code":"`+TagIncomplete+`"}]`...)
	}
	b = append(b, '}')
	if s.Reference != "" {
		b = appendText(append(b, `,"identifier":[{"system":"`+ReferenceSystem+`","value":`...), s.Reference, `}]`)
	}
	b = appendText(append(b, `,"basedOn":[{"reference":`...), s.Request, `}]`)
	if s.Lawful {
		b = append(b, `,"status":"requested","businessStatus":{"coding":[{"system":"`+BusinessStatus+`","code":"created","display":"Created"}]}`...)
	} else {
		b = append(b, `,"status":"on-hold","statusReason":{"text":"No consent or other lawful basis for sharing is recorded."},"businessStatus":{"coding":[{"system":"`+
			BusinessStatus+`","code":"awaiting-consent","display":"Awaiting consent"}]}`...)
	}
	b = append(b, `,"intent":"order","code":{"coding":[{"system":"`+TaskCodeSystem+`","code":"fulfill","display":"Fulfill the focal request"}]}`...)
	b = appendReference(b, "focus", s.Request)
	b = appendReference(b, "for", s.Root.At("subject", "reference").Text())
	b = append(b, `,"authoredOn":"`+fhir.Instant(s.Now)+`","lastModified":"`+fhir.Instant(s.Now)+`"`...)
	if r := s.Root.At("requester", "reference").Text(); slices.Contains(requesterTypes, typeOf(r)) {
		b = appendReference(b, "requester", r)
	}
	if o := s.Root.At("performer", 0, "reference").Text(); slices.Contains(ownerTypes, typeOf(o)) {
		b = appendReference(b, "owner", o)
	}
	return append(appendNotes(b, notes), `,"resourceType":"Task"}`...), nil
}

func appendReference(b []byte, name, to string) []byte {
	if to == "" {
		return b
	}
	return appendText(append(b, `,"`+name+`":{"reference":`...), to, `}`)
}

func appendNotes(b []byte, notes []string) []byte {
	for i, n := range notes {
		open := `,`
		if i == 0 {
			open = `,"note":[`
		}
		b = appendText(append(b, open+`{"text":`...), n, `}`)
	}
	if len(notes) > 0 {
		b = append(b, ']')
	}
	return b
}

// missingNotes names each missing item once, by its rule.
func missingNotes(missing []fhir.Issue) (notes []string) {
	for _, is := range missing {
		if is.IsError() || is.Severity != fhir.SeverityWarning {
			continue
		}
		if line := "Missing: " + is.Text + " (" + is.Rule + ")"; !slices.Contains(notes, line) {
			notes = append(notes, line)
		}
	}
	return notes
}

// An Ending is how a referral's Task ends or pauses.
type Ending struct {
	// Status is the Task's new status, Business its new business status.
	Status, Business, Display string
	// Reason is the text of Task.statusReason: why, in the words of the
	// workflow, never of the document.
	Reason string
}

// The endings that a message can bring (standards: status model).
var (
	// Withdrawn: the sender takes the referral back.
	Withdrawn = Ending{"cancelled", "withdrawn", "Withdrawn", "Withdrawn by the sender."}
	// InError: the sender sent it in error.
	InError = Ending{"entered-in-error", "withdrawn", "Withdrawn", "Sent in error."}
	// Unattended: closed because the person did not attend.
	Unattended = Ending{"failed", "unattended", "Unattended", "The person did not attend and the referral was closed."}
	// Refused: the service does not take it.
	Refused = Ending{"rejected", "declined-by-service", "Declined by the service", "The service declined the referral."}
)

// Resumed ends the wait for consent: it has been recorded.
var Resumed = Ending{"requested", "created", "Created", "Consent or another lawful basis was recorded."}

// AwaitsConsent reports whether a Task is on hold only because no lawful basis
// was recorded.
func AwaitsConsent(task fhir.Value) bool {
	return task.Get("status").Text() == "on-hold" && task.At("businessStatus", "coding", 0, "code").Text() == "awaiting-consent"
}

// closed are the statuses of a Task that nothing changes any more.
var closed = []string{"completed", "cancelled", "failed", "rejected", "entered-in-error"}

// Closed returns the statuses of a Task that has ended.
func Closed() []string { return slices.Clone(closed) }

// IsClosed reports whether a Task has ended.
func IsClosed(task fhir.Value) bool { return slices.Contains(closed, task.Get("status").Text()) }

// End returns the Task's JSON with the ending (or what resumes it) written into
// it; every other byte is as stored.
func End(task fhir.Resource, e Ending, now time.Time) []byte {
	root := task.Root()
	ed := fhir.NewEditor(root)
	ed.SetString(root.Get("status"), e.Status)
	reason, _ := json.Marshal(models.CodeableConcept{Text: new(e.Reason)})
	business, _ := json.Marshal(concept(BusinessStatus, e.Business, e.Display))
	for name, raw := range map[string][]byte{"statusReason": reason, "businessStatus": business} {
		if v := root.Get(name); v.Exists() {
			ed.SetRaw(v, raw)
		} else {
			ed.Insert(root.Get("status"), name, raw)
		}
	}
	if v := root.Get("lastModified"); v.Exists() {
		ed.SetString(v, fhir.Instant(now))
	}
	return ed.Bytes()
}

func concept(system, code, display string) *models.CodeableConcept {
	return &models.CodeableConcept{Coding: []models.Coding{{System: new(system), Code: new(code), Display: new(display)}}}
}
