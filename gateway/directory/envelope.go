package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"

	"trellis.example/fhir"
)

var (
	errEnvelope = errors.New("a page of the feed is no page of Open Referral UK: expected an object with contents (version 3) or content (version 1), an array of services")
	errNumbers  = errors.New("a page of the feed counts its pages in something else than numbers")
)

// A listing is one page of a feed as it was sent.
type listing struct {
	version int // 3 or 1
	items   []item
	pages   int // in all; 0 when the feed does not say
	total   int // services in all
	last    bool
}

// list reads a page. Entries without an id are counted and passed over: nothing
// could be asked about them.
func list(body []byte) (l listing, nameless int, err error) {
	t, err := fhir.Parse(body, maxAnswer)
	if err != nil || t.Root().Kind() != fhir.Object {
		return l, 0, errEnvelope
	}
	root := t.Root()
	names := [3]string{"total_pages", "total_items", "last_page"}
	contents := root.Get("contents")
	l.version = 3
	if !contents.Exists() {
		l.version, contents, names = 1, root.Get("content"), [3]string{"totalPages", "totalElements", "last"}
	}
	if contents.Kind() != fhir.Array {
		return l, 0, errEnvelope
	}
	var okPages, okTotal bool
	l.pages, okPages = number(root.Get(names[0]))
	l.total, okTotal = number(root.Get(names[1]))
	if !okPages || !okTotal {
		return l, 0, errNumbers
	}
	l.last = root.Get(names[2]).Text() == "true"
	for e := range contents.All() {
		id := e.Get("id").Text()
		if e.Kind() != fhir.Object || id == "" || len(id) > maxID || e.Get("id").Kind() == fhir.Object {
			nameless++
			continue
		}
		sum := sha256.Sum256(e.Raw())
		l.items = append(l.items, item{ID: id, Hash: hex.EncodeToString(sum[:12])})
	}
	return l, nameless, nil
}

// maxID is the longest id of a service, in bytes.
const maxID = 500

// number reads a count, which some feeds leave out and some write as a string.
func number(v fhir.Value) (int, bool) {
	if !v.Exists() || v.Raw() != nil && string(v.Raw()) == "null" {
		return 0, true
	}
	n, err := strconv.Atoi(v.Text())
	return n, err == nil && n >= 0
}
