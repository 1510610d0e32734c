package schema_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestProfileSchemas makes every schema of the profiles in force, compiles it,
// and checks what each says of itself.
func TestProfileSchemas(t *testing.T) {
	set := ours(newValidator(t))
	list := set.List()
	if testing.Short() {
		t.Log("one schema in five is compiled, because of -short")
	}
	largest, n := 0, 0
	parallel(len(list), func(i int) {
		e := list[i]
		s, ok := set.Schema(e.Name)
		var head struct {
			ID      string `json:"$id"`
			Title   string `json:"title"`
			Comment string `json:"$comment"`
		}
		if err := json.Unmarshal(s.JSON, &head); !ok || err != nil || s.Tag == "" || !strings.HasSuffix(head.ID, "/"+e.Name+".json") || head.Title == "" || !strings.Contains(head.Comment, "ref-1") {
			t.Errorf("%s: incomplete: %v", e.Name, err)
		}
		if strings.HasPrefix(e.Name, "r4-") || strings.HasSuffix(e.Canonical, "|1.0.0") || strings.HasSuffix(e.Name, "-1.1.0") {
			return // like one that is compiled here or by another test
		}
		if testing.Short() && i%5 != 0 {
			return
		}
		if _, err := compile(e.Name, s.JSON); err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
	})
	for _, e := range list {
		s, _ := set.Schema(e.Name)
		n++
		largest = max(largest, len(s.JSON))
	}
	t.Logf("%d schemas, the largest of %d bytes", n, largest)
	if largest > 250_000 {
		t.Error("a schema has become too large")
	}
}
