package page_test

import (
	"bytes"
	"strings"
	"testing"

	"trellis.example/mapping/formats"
	"trellis.example/mapping/page"
)

func draw(t *testing.T, doc string) string {
	t.Helper()
	e, _, err := formats.Lookup("ppn-csv")
	if err != nil {
		t.Fatal(err)
	}
	records, faults := e.Map.Explain([]byte(doc))
	var b bytes.Buffer
	if err := page.Write(&b, page.Document{Format: e.Info(), Text: doc, Faults: faults, Records: records}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPage holds that each value stands beside its element, rule and table row,
// and that losses and faults are said.
func TestPage(t *testing.T) {
	got := draw(t, "ppn_reference,force_code,created_datetime,subject_surname,subject_gender,subject_dob,shoe_size\nR1,99,02/03/2026 08:00,SAMPLE,Female,01/02/1990,44\nR2,99,02/03/2026 08:00,SAMPLE,Female,32/01/1990,44\n")
	for _, want := range []string{
		"row 1, subject_surname", "SAMPLE", "rule family", "row 2, subject_dob", "expected", "refused", "1990-02-01",
		"shoe_size", "no rule of the map carries this value", "table gender",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// TestPageRunsNothing holds that a document cannot put anything into the page
// but text.
func TestPageRunsNothing(t *testing.T) {
	const attack = `<script>alert(1)</script><img src=x onerror=alert(1)>`
	got := draw(t, "ppn_reference,force_code,created_datetime,subject_surname,summary,<b>x\nR1,99,02/03/2026 08:00,"+attack+","+attack+",1\n")
	for _, bad := range []string{"<script", "<img", "<b>x"} {
		if strings.Contains(got, bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	if !strings.Contains(got, "&lt;script&gt;") || !strings.Contains(got, "default-src &#39;none&#39;") && !strings.Contains(got, "default-src 'none'") {
		t.Error("the page shows neither the text nor its own policy")
	}
}
