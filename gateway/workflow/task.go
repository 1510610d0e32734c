package workflow

import (
	"encoding/json"
	"fmt"
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
// says incomplete when items are missing, and its notes which.
func Task(s Start) ([]byte, error) {
	t := models.Task{
		Meta:           &models.Meta{Profile: []string{TaskProfile}},
		BasedOn:        []models.Reference{ref(s.Request)},
		Status:         models.TaskStatusRequested,
		BusinessStatus: concept(BusinessStatus, "created", "Created"),
		Intent:         "order",
		Code:           concept(TaskCodeSystem, "fulfill", "Fulfill the focal request"),
		Focus:          new(ref(s.Request)),
		AuthoredOn:     new(fhir.Instant(s.Now)),
		LastModified:   new(fhir.Instant(s.Now)),
	}
	if s.Reference != "" {
		t.Identifier = []models.Identifier{{System: new(ReferenceSystem), Value: new(s.Reference)}}
	}
	if subject := s.Root.At("subject", "reference").Text(); subject != "" {
		t.For = new(ref(subject))
	}
	if r := s.Root.At("requester", "reference").Text(); slices.Contains(requesterTypes, typeOf(r)) {
		t.Requester = new(ref(r))
	}
	if o := s.Root.At("performer", 0, "reference").Text(); slices.Contains(ownerTypes, typeOf(o)) {
		t.Owner = new(ref(o))
	}
	if !s.Lawful {
		t.Status = models.TaskStatusOnHold
		t.BusinessStatus = concept(BusinessStatus, "awaiting-consent", "Awaiting consent")
		t.StatusReason = &models.CodeableConcept{Text: new("No consent or other lawful basis for sharing is recorded.")}
	}
	markIncomplete(&t, s.Missing)
	return json.Marshal(t)
}

// markIncomplete tags the Task and notes each missing item once, by its rule.
func markIncomplete(t *models.Task, missing []fhir.Issue) {
	seen := map[string]bool{}
	for _, is := range missing {
		line := fmt.Sprintf("Missing: %s (%s)", is.Text, is.Rule)
		if is.IsError() || is.Severity != fhir.SeverityWarning || seen[line] {
			continue
		}
		seen[line] = true
		t.Note = append(t.Note, models.Annotation{Text: line})
	}
	if len(t.Note) > 0 {
		t.Meta.Tag = []models.Coding{{System: new(TagSystem), Code: new(TagIncomplete)}}
	}
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

func ref(to string) models.Reference { return models.Reference{Reference: new(to)} }

func concept(system, code, display string) *models.CodeableConcept {
	return &models.CodeableConcept{Coding: []models.Coding{{System: new(system), Code: new(code), Display: new(display)}}}
}
