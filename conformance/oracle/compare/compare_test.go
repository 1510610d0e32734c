package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const table = `# Divergences

## HL7's reference validator

| refused by | because of | in documents | argument |
|---|---|---|---|
| Trellis | ` + "`nhs-number`" + ` | mutation/* | base R4 does not know Modulus 11 |
| reference | ` + "`XHTML` /style\\|entity/" + ` | * | entities are declared |

## Something else
`

const oursJSON = `[
 {"file":"c/mutation/a.json","faults":[{"severity":"error","expression":"Patient.identifier[0].value","rule":"nhs-number","text":"t"}]},
 {"file":"c/mutation/b.json","faults":[{"severity":"warning","expression":"Patient","rule":"x","text":"t"}]},
 {"file":"c/official/c.json","faults":[{"severity":"error","expression":"Patient.birthDate","rule":"format","text":"t"}]},
 {"file":"c/official/d.json","faults":[]},
 {"file":"c/official/e.json","faults":[{"severity":"error","expression":"Patient.name","rule":"nhs-number","text":"t"}]}]`

const theirsNDJSON = `{"file":"mutation/a.json","errors":[],"warnings":0}
{"file":"mutation/b.json","errors":[{"id":"XHTML","location":"Patient.text","text":"unknown entity"}],"warnings":0}
{"file":"official/c.json","errors":[{"id":"DATE","location":"Patient.birthDate","text":"no date"}],"warnings":0}
{"file":"official/d.json","errors":[],"warnings":3}
{"file":"official/e.json","errors":[],"warnings":0}
`

func write(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestCompare(t *testing.T) {
	ours, err := readOurs(write(t, "ours.json", oursJSON), "c")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := readTheirs(write(t, "theirs.ndjson", theirsNDJSON))
	if err != nil {
		t.Fatal(err)
	}
	args, err := readArguments(write(t, "d.md", table))
	if err != nil {
		t.Fatal(err)
	}
	r, err := compare(ours, theirs, args)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := *r.groups["mutation"], (counts{documents: 2, onlyOurs: 1, onlyTheirs: 1}); got != want {
		t.Errorf("mutation: got %+v, want %+v", got, want)
	}
	if got, want := *r.groups["official"], (counts{documents: 3, accepted: 1, refused: 1, samePlace: 1, onlyOurs: 1, open: 1}); got != want {
		t.Errorf("official: got %+v, want %+v", got, want)
	}
	if len(r.open) != 1 || r.open[0].file != "official/e.json" {
		t.Errorf("without argument: %+v, want official/e.json alone", r.open)
	}
	if args[0].settled != 1 || args[1].settled != 1 {
		t.Errorf("each argument settles one document, got %d and %d", args[0].settled, args[1].settled)
	}
	var out strings.Builder
	r.print(&out, 1)
	if !strings.Contains(out.String(), "official/e.json: only Trellis refuses") {
		t.Errorf("the report does not name the open disagreement:\n%s", out.String())
	}
	delete(theirs, "official/d.json")
	if _, err := compare(ours, theirs, args); err == nil {
		t.Error("a document without verdict must be an error")
	}
}

func TestArgumentsMustSayWhy(t *testing.T) {
	for _, line := range []string{
		"| Trellis | `x` | * | |",
		"| Somebody | `x` | * | because |",
		"| reference | `x` /(/ | * | because |",
		"| reference | `x` | a*b | because |",
	} {
		if _, err := readArguments(write(t, "d.md", heading+"\n"+line+"\n")); err == nil {
			t.Errorf("%s: accepted", line)
		}
	}
	if _, err := readArguments(write(t, "d.md", "# nothing\n")); err == nil {
		t.Error("a file without the section: accepted")
	}
}
