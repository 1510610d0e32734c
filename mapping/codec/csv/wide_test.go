package csv

import (
	"slices"
	"strings"
	"testing"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// TestWide holds that columns with a prefix are records of their own, that each
// cell keeps the sender's name for it, and that no row goes quiet.
func TestWide(t *testing.T) {
	shape := codec.Shape{Fields: []string{"id", "stage", "score", "note"}, Required: []string{"id", "stage", "score"},
		Wide: &codec.Wide{Column: "stage", Points: []codec.WidePoint{{Prefix: "before_", Value: "Before"}, {Prefix: "after_", Value: "After"}}}}
	tests := []struct {
		name, in string
		want     []string
		refused  bool
	}{
		{"long", "id,stage,score\n1,Before,3\n", []string{"1|Before|3 (row 1, score)"}, false},
		{"wide", "id,before_score,after_score\n1,3,6\n", []string{"1|Before|3 (row 1, before_score)", "1|After|6 (row 1, after_score)"}, false},
		{"one point only", "id,before_score,after_score\n1,,6\n", []string{"1|After|6 (row 1, after_score)"}, false},
		{"both forms", "id,stage,score,after_score\n1,Before,3,6\n", []string{"1|After|6 (row 1, after_score)", "1|Before|3 (row 1, score)"}, false},
		{"an empty row", "id,before_score,after_score\n1,,\n", []string{"1|| (row 1, before_score)"}, false},
		{"no score at all", "id,stage\n1,Before\n", nil, true},
		{"no stage", "id,score\n1,3\n", nil, true},
	}
	for _, tt := range tests {
		var got []string
		issues := Syntax{}.Read(strings.NewReader(tt.in), shape, func(d *codec.Doc, _ []fhir.Issue) bool {
			text := func(name string) string {
				if c := d.Child(codec.Root, name); c != codec.None {
					return d.Text(c)
				}
				return ""
			}
			at := d.Child(codec.Root, "score")
			if at == codec.None {
				at = d.Child(codec.Root, "before_score")
			}
			got = append(got, text("id")+"|"+text("stage")+"|"+text("score")+" ("+Syntax{}.Place(d, at, nil)+")")
			return true
		})
		if !slices.Equal(got, tt.want) || (fhir.Faults(issues) != nil) != tt.refused {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, issues, tt.want)
		}
	}
}
