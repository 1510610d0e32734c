package formats

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const indexFile = "../../docs/formats.md"

// TestIndex holds that docs/formats.md lists every format as it is.
func TestIndex(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Partner formats

What ` + "`POST /intake/{format}`" + ` takes, and what ` + "`trellis map apply FORMAT --reverse`" + `
writes. Each format's page says field by field where its values go, what is lost
each way and why, and how the sender is answered. A format of your own is a folder:
[a new partner in ten minutes](new-partner.md). This page is made from the maps
(` + "`go test ./mapping/formats -run TestIndex -update`" + `).

| format | partner | ways | media types | roles that may send it | answer |
|---|---|---|---|---|---|
`)
	for _, e := range all(t) {
		i := e.Info()
		ways := "in"
		if i.In && i.Out {
			ways = "in, out"
		} else if i.Out {
			ways = "out"
		}
		partner := i.Partner
		if i.PartnerVersion != "" {
			partner += " (" + i.PartnerVersion + ")"
		}
		fmt.Fprintf(&b, "| [%s](../mapping/formats/%s/README.md) %s | %s | %s | `%s` | %s | %s |\n",
			i.ID, i.ID, i.Version, partner, ways, strings.Join(i.MediaTypes, "`, `"), strings.Join(i.Senders, ", "), answers[i.Receipt])
	}
	if *update {
		if err := os.WriteFile(indexFile, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want, err := os.ReadFile(indexFile); err != nil || string(want) != b.String() {
		t.Errorf("%s is out of date (%v): run with -update", indexFile, err)
	}
}

// answers say in words what each receipt is.
var answers = map[string]string{
	"fhir": "FHIR transaction-response", "jsonapi": "JSON:API", "receipt": "JSON receipt", "itk3": "ITK3 acknowledgement",
	"csv": "CSV result file", "ack": "HL7 acknowledgement",
}
