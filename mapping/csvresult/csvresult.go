// Package csvresult writes the file that answers a CSV batch: one line for
// each fault, and one line for each row that has none. It holds what happened
// to every row, and never a value of the batch except the row's own key.
package csvresult

import (
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec/csv"
)

// A Status is what became of a row.
type Status string

// What can become of a row.
const (
	Created   Status = "created"
	Updated   Status = "updated"
	Unchanged Status = "unchanged"
	Rejected  Status = "rejected"
	// NotReferral: the row was read, and asks for nothing.
	NotReferral Status = "not-a-referral"
)

// An Outcome is what became of one row.
type Outcome struct {
	// Row is the number of the row, header excluded; 0 for the file itself.
	Row int
	// Key is the sender's own reference for the row.
	Key    string
	Status Status
	// Reference is our reference for what was stored; "" when rejected.
	Reference string
	// Issues are the row's faults and warnings.
	Issues []fhir.Issue
}

// Append appends the result file of a batch, with its header, to b: UTF-8,
// CRLF. A spreadsheet would run a cell that begins with = + - or @ as a
// formula: such a cell gets an apostrophe in front.
func Append(b []byte, outcomes []Outcome) []byte {
	b = csv.AppendRow(b, []string{"row", "record_key", "status", "our_reference", "code", "column", "message"})
	for _, o := range outcomes {
		b = AppendOutcome(b, o)
	}
	return b
}

// AppendOutcome appends the lines of one row: for answers that are written
// while the batch is still being read.
func AppendOutcome(b []byte, o Outcome) []byte {
	row := ""
	if o.Row > 0 {
		row = strconv.Itoa(o.Row)
	}
	line := []string{row, tame(o.Key), string(o.Status), tame(o.Reference), "", "", ""}
	if len(o.Issues) == 0 {
		return csv.AppendRow(b, line)
	}
	for _, is := range o.Issues {
		line[4], line[5], line[6] = string(is.Code), tame(column(is.Source)), tame(is.Text)
		b = csv.AppendRow(b, line)
	}
	return b
}

// column is the column of a place such as "row 4, subject_dob".
func column(place string) string {
	if head, name, ok := strings.Cut(place, ", "); ok && (strings.HasPrefix(head, "row ") || head == "header") {
		return name
	}
	if strings.HasPrefix(place, "row ") {
		return ""
	}
	return place
}

func tame(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
