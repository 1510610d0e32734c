package bench

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// documents are what is sent, with placeholders for what differs from one to
// the next. No person in them exists.
//
//go:embed documents
var documents embed.FS

// Placeholders, each as long as what replaces it.
const (
	numberMark  = "@@number@@"
	nhsMark     = "@@@nhs@@@@"
	patientMark = "@@@@@@@@@@@@@@patient@@@@@@@@@@@@@@@"
	idMark      = "@@@@@@@@@@@@@@@@id@@@@@@@@@@@@@@@@@@"
)

// What the documents say of the organisations in them.
const (
	practiceODS     = "A81001"
	serviceODS      = "X9Y1Z"
	referralSystem  = "https://surgery.example/referral"
	referralPrefix  = "BENCH-"
	barsTarget      = `{"value":"2000099001","system":"https://fhir.nhs.uk/Id/dos-service-id"}`
	policeODS       = "Q0P17"
	policeClient    = "bench-police"
	councilODS      = "Q0C17"
	councilClient   = "bench-council"
	loaderODS       = "Y99001"
	loaderClient    = "bench-loader"
	practiceClient  = "bench-practice"
	barsRequestUUID = "00000000-0000-4000-8000-00" + numberMark
)

// document returns a document as a partner sends it: JSON without blanks,
// HL7 with carriage returns.
func document(name string) ([]byte, error) {
	b, err := documents.ReadFile("documents/" + name)
	if err != nil {
		return nil, err
	}
	switch path.Ext(name) {
	case ".json":
		var out bytes.Buffer
		if err := json.Compact(&out, b); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return out.Bytes(), nil
	case ".hl7":
		return bytes.ReplaceAll(b, []byte("\n"), []byte("\r")), nil
	}
	return b, nil
}

// filled returns a document with its placeholders filled in for one record.
func filled(name string) ([]byte, error) {
	b, err := document(name)
	return []byte(strings.NewReplacer(
		numberMark, number(1, len(numberMark)), nhsMark, nhsNumbers(1)[0],
		patientMark, "6b1d4d0e-3a55-4b0c-9c0a-000000000001",
	).Replace(string(b))), err
}

// notices returns a file of n rows, each with placeholders of its own, which
// differ from row to row.
func notices(n int) ([]byte, error) {
	b, err := document("notice.csv")
	if err != nil {
		return nil, err
	}
	head, row, _ := strings.Cut(string(b), "\n")
	var out bytes.Buffer
	out.WriteString(head + "\n")
	for i := range n {
		out.WriteString(strings.NewReplacer(numberMark, rowMark(i), nhsMark, rowPerson(i)).Replace(row))
	}
	return out.Bytes(), nil
}

// rowMarks are the placeholders of all rows of a file.
func rowMarks() []string {
	var out []string
	for i := range fileRows {
		out = append(out, rowMark(i), rowPerson(i))
	}
	return out
}

// rowMark and rowPerson are the placeholders of row i of a file.
func rowMark(i int) string   { return "@row" + number(int64(i), 4) + "@@" }
func rowPerson(i int) string { return "@nhs" + number(int64(i), 4) + "@@" }
