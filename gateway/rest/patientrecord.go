package rest

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	"trellis.example/fhir/definitions"
	"trellis.example/gateway/search"
	"trellis.example/gateway/store"
)

// patientPage reads a page of a Patient's compartment.
func (a *API) patientPage(e *everything) (p everyPage, err error) {
	parts, err := e.compartment()
	if err != nil || len(parts) == 0 {
		return p, err
	}
	sq := store.Query{
		View: e.Principal.View("search-type"), Type: parts[0].Type, Where: parts[0].Where, Or: parts[1:],
		Limit: e.count, Snapshot: e.cursor.Snapshot,
	}
	sq.After = after(e.cursor)
	page, err := a.searchPage(e.Context(), sq)
	if err != nil {
		return p, err
	}
	p.match, p.snapshot = page.Versions, page.Snapshot
	if page.More {
		p.next = &search.Cursor{}
		p.next.At(page.Next)
	}
	g := a.gather(e.Request, page)
	defs := definitions.R4()
	// What belongs to the Patient has its own place on some page.
	err = g.forward(p.match, 2, func(k store.Key) bool {
		return k.Type != "Patient" && k.Type != "Task" && len(defs.Compartment("Patient", k.Type)) == 0
	})
	for _, v := range g.found {
		if e.returns(v) {
			p.include = append(p.include, v)
		}
	}
	p.issues = g.warning()
	return p, err
}

// compartment returns the parts of the Patient's compartment that were asked
// for, the Patient among them.
func (e *everything) compartment() ([]store.Part, error) {
	if len(e.types) == 0 {
		return nil, nil
	}
	parts := e.api.Registry.Compartment(e.of.Type, e.of.ID, e.types)
	if slices.Contains(e.types, "Task") { // R4 leaves Tasks out of the compartment
		tasks, err := e.api.Registry.Referring("Task", "patient", []string{e.of.String()})
		if err != nil {
			return nil, err
		}
		parts = append(parts, tasks...)
	}
	var out []store.Part
	for _, p := range parts {
		alternatives, err := e.narrow(p)
		if err != nil {
			return nil, err
		}
		out = append(out, alternatives...)
	}
	return out, nil
}

// careDate names the date that says when care was given, for the types that
// have one; records without one are always in scope.
var careDate = map[string]string{
	"Appointment": "date", "CarePlan": "date", "Communication": "sent", "Composition": "date", "Condition": "onset-date",
	"Consent": "date", "DocumentReference": "date", "Encounter": "date", "EpisodeOfCare": "date", "Flag": "date",
	"Goal": "start-date", "List": "date", "MedicationStatement": "effective", "Observation": "date", "Procedure": "date",
	"Provenance": "recorded", "QuestionnaireResponse": "authored", "RiskAssessment": "date", "ServiceRequest": "authored",
	"Task": "authored-on",
}

// narrow adds start, end and _since to a part.
func (e *everything) narrow(p store.Part) ([]store.Part, error) {
	always := url.Values{}
	if !e.since.IsZero() {
		always.Set("_lastUpdated", "ge"+e.since.Format(time.RFC3339Nano))
	}
	date := careDate[p.Type]
	if date == "" || e.start == "" && e.end == "" {
		part, err := e.with(p, always)
		return []store.Part{part}, err
	}
	dated, undated := url.Values{}, url.Values{date + ":missing": {"true"}}
	if e.start != "" {
		dated.Add(date, "ge"+e.start)
	}
	if e.end != "" {
		dated.Add(date, "le"+e.end)
	}
	var out []store.Part
	for _, params := range [...]url.Values{dated, undated} {
		for n, v := range always {
			params[n] = v
		}
		part, err := e.with(p, params)
		if err != nil {
			return nil, err
		}
		out = append(out, part)
	}
	return out, nil
}

// with adds the clauses of a search to a part.
func (e *everything) with(p store.Part, params url.Values) (store.Part, error) {
	if len(params) == 0 {
		return p, nil
	}
	q, err := e.api.Registry.Parse([]string{p.Type}, params, false)
	if err != nil {
		return p, err
	}
	sq, err := e.api.Registry.Resolve(e.Context(), e.api.Store, e.Principal.View("search-type"), q, e.cursor.Snapshot)
	if err != nil {
		return p, err
	}
	if len(sq.Or) > 0 {
		return p, fmt.Errorf("the dates of %s need more than one part", p.Type)
	}
	p.Where = slices.Concat(p.Where, sq.Where)
	return p, nil
}
