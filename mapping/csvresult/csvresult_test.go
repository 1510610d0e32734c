package csvresult

import (
	"testing"

	"trellis.example/fhir"
)

func TestAppend(t *testing.T) {
	got := string(Append(nil, []Outcome{
		{Row: 1, Key: "R1", Status: Created, Reference: "ServiceRequest/1"},
		{Row: 2, Key: "=cmd()", Status: Rejected, Issues: []fhir.Issue{
			{Code: fhir.BadValue, Source: "row 2, subject_dob", Text: "expected a date that exists, as dd/mm/yyyy"},
			{Code: fhir.Structure, Source: "row 2", Text: "the row has 3 cells"},
		}},
		{Row: 3, Key: "R3", Status: Unchanged, Reference: "ServiceRequest/3"},
		{Status: Rejected, Issues: []fhir.Issue{{Code: fhir.Required, Source: "header, force_code", Text: "the column is missing"}}},
	}))
	want := "row,record_key,status,our_reference,code,column,message\r\n" +
		"1,R1,created,ServiceRequest/1,,,\r\n" +
		"2,'=cmd(),rejected,,value,subject_dob,\"expected a date that exists, as dd/mm/yyyy\"\r\n" +
		"2,'=cmd(),rejected,,structure,,the row has 3 cells\r\n" +
		"3,R3,unchanged,ServiceRequest/3,,,\r\n" +
		",,rejected,,required,force_code,the column is missing\r\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
