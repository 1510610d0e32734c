// Package cldcsv tests the quality rules of the Client Level Data return: the
// map is data, and this table is the rules as the return states them.
package cldcsv

import (
	"encoding/csv"
	"maps"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping"
	"trellis.example/mapping/formats"
)

// request is a row that breaks no rule.
func request() map[string]string {
	return map[string]string{
		"LA Code": "999", "Reporting Period Start Date": "01/01/2026", "Reporting Period End Date": "31/03/2026",
		"NHS Number": "9991002111", "LA Person Unique Identifier": "P0000001", "Gender": "Male", "Ethnicity": "Refused",
		"Date of Birth": "12/06/1939", "Client Type": "Service User", "Postcode": "ZZ99 3VZ", "Accommodation Status": "Unknown",
		"Has Unpaid Carer": "Unknown", "Event Type": "Request", "Event Reference": "EV-1", "Event Start Date": "14/02/2026",
		"Event End Date": "16/02/2026", "Event Outcome": "Progress to Assessment", "Request: Route of Access": "Community / other route",
	}
}

// rowOf is a row that breaks no rule, of another event type.
func rowOf(event string) map[string]string {
	row := request()
	row["Event Type"], row["Primary Support Reason"], row["Request: Route of Access"] = event, "Physical Support", ""
	switch event {
	case "Assessment":
		row["Assessment Type"], row["Method of Assessment"] = "Long Term Assessment", "Face to face"
	case "Service":
		row["Service Type"], row["Service Component"], row["Client Funding Status"] = "Long Term Support: Community", "Home Support", "Other"
	case "Review":
		row["Client Funding Status"] = "Other"
	}
	return row
}

// TestQualityRules breaks one rule at a time (formats: Client Level Data,
// mandatory and applicable columns) and expects one report at that column.
func TestQualityRules(t *testing.T) {
	const warning, fault = "warning", "error"
	tests := []struct {
		event, column, value, severity string
	}{
		{"Request", "LA Code", "", fault},
		{"Request", "Reporting Period Start Date", "", warning},
		{"Request", "Reporting Period End Date", "", warning},
		{"Request", "NHS Number", "", warning},
		{"Request", "LA Person Unique Identifier", "", warning},
		{"Request", "Gender", "", warning},
		{"Request", "Ethnicity", "", warning},
		{"Request", "Date of Birth", "", warning},
		{"Request", "Client Type", "", warning},
		{"Request", "Client Type", "Friend", warning},
		{"Request", "Postcode", "", warning},
		{"Request", "Accommodation Status", "", warning},
		{"Request", "Has Unpaid Carer", "", warning},
		{"Request", "Event Reference", "", fault},
		{"Request", "Event Start Date", "", fault},
		{"Assessment", "Event Start Date", "", fault},
		{"Request", "Event Outcome", "", warning},
		{"Service", "Event Outcome", "", warning},
		{"Request", "Event End Date", "", warning},
		{"Assessment", "Event End Date", "", warning},
		{"Review", "Event End Date", "", warning},
		{"Request", "Request: Route of Access", "", warning},
		{"Assessment", "Request: Route of Access", "Community / other route", warning},
		{"Assessment", "Primary Support Reason", "", warning},
		{"Service", "Primary Support Reason", "", warning},
		{"Review", "Primary Support Reason", "", warning},
		{"Assessment", "Assessment Type", "", warning},
		{"Assessment", "Method of Assessment", "", warning},
		{"Service", "Service Type", "", warning},
		{"Service", "Service Component", "", warning},
		{"Service", "Client Funding Status", "", warning},
		{"Review", "Client Funding Status", "", warning},
		{"Request", "Assessment Type", "Long Term Assessment", warning},
		{"Request", "Eligible Needs Identified", "Yes", warning},
		{"Request", "Service Type", "Long Term Support: Community", warning},
		{"Request", "Review Reason", "Planned", warning},
		{"Request", "Unit Cost", "12.50", warning},
		{"Request", "NHS Number", "9991002112", fault},
		{"Request", "Date of Birth", "1939-06-12", fault}, // the return's dates are dd/mm/yyyy
		{"Request", "Has Unpaid Carer", "Perhaps", fault},
	}
	for _, tt := range tests {
		row := request()
		if tt.event != "Request" {
			row = rowOf(tt.event)
		}
		row[tt.column] = tt.value
		if got := reports(read(t, row)); len(got) != 1 || got[0] != "row 1, "+tt.column+": "+tt.severity {
			t.Errorf("%s with %s %q: reports %q, want one %s there", tt.event, tt.column, tt.value, got, tt.severity)
		}
	}
}

// TestRulesThatDoNotApply breaks what looks like a rule and is none.
func TestRulesThatDoNotApply(t *testing.T) {
	service := rowOf("Service")
	service["Event End Date"] = "" // a service may go on
	financial := rowOf("Assessment")
	maps.Copy(financial, map[string]string{"Assessment Type": "Financial Assessment", "Event Outcome": "", "Client Funding Status": "Other"})
	association := request()
	for column := range association {
		if strings.HasPrefix(column, "Event ") || strings.HasPrefix(column, "Request") {
			association[column] = ""
		}
	}
	association["Client Type"] = "Carer known by association" // has no events
	for name, row := range map[string]map[string]string{
		"a request": request(), "an assessment": rowOf("Assessment"), "a service that goes on": service, "a review": rowOf("Review"),
		"a financial assessment": financial, "a carer known by association": association,
	} {
		if got := reports(read(t, row)); len(got) != 0 {
			t.Errorf("%s: reports %q, want none", name, got)
		}
	}
}

// TestOnlyRequestsAreReferrals holds for every event type, and that no request
// is ever active.
func TestOnlyRequestsAreReferrals(t *testing.T) {
	for _, event := range []string{"Assessment", "Service", "Review"} {
		if rec := read(t, rowOf(event)); rec.Refused() || !rec.NotReferral || rec.Bundle != nil {
			t.Errorf("%s: refused %t, no referral %t, bundle of %d bytes", event, rec.Refused(), rec.NotReferral, len(rec.Bundle))
		}
	}
	rec := read(t, request())
	if rec.Refused() || rec.NotReferral || !strings.Contains(string(rec.Bundle), `"status":"on-hold"`) {
		t.Errorf("Request: %v: %s", rec.Faults, rec.Bundle)
	}
}

// TestUnknownIsNotNo holds for every answer that may be Unknown.
func TestUnknownIsNotNo(t *testing.T) {
	for _, column := range []string{"Has Unpaid Carer", "Autism Spectrum Disorder (ASD)", "Visual Impairment", "Hearing Impairment", "Dementia"} {
		row := request()
		row["Has Unpaid Carer"], row[column] = "", "Unknown"
		bundle := string(read(t, row).Bundle)
		if strings.Contains(bundle, "valueBoolean") || !strings.Contains(bundle, `"dataAbsentReason"`) {
			t.Errorf("%s Unknown: %s", column, bundle)
		}
	}
}

func read(t *testing.T, row map[string]string) mapping.Record {
	t.Helper()
	e, ok, err := formats.Lookup("cld-csv")
	if err != nil || !ok {
		t.Fatal(err)
	}
	var header, cells []string
	for _, f := range e.Map.Coverage().Fields {
		header, cells = append(header, f.Name), append(cells, row[f.Name])
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	if err := w.WriteAll([][]string{header, cells}); err != nil {
		t.Fatal(err)
	}
	res := e.Read([]byte(b.String()))
	if len(res.Records) != 1 {
		t.Fatalf("%d records: %v", len(res.Records), res.Faults)
	}
	return res.Records[0]
}

// reports lists what is wrong in the row, once for each column and severity.
func reports(rec mapping.Record) []string {
	var out []string
	seen := map[string]bool{}
	for _, is := range rec.Faults {
		line := is.Source + ": " + string(is.Severity)
		if is.Severity == fhir.SeverityInformation || seen[line] {
			continue
		}
		seen[line] = true
		out = append(out, line)
	}
	return out
}
