package rest

import (
	"net/http"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// A bundle writes a Bundle around stored bytes, without parsing them.
type bundle struct {
	b              []byte
	links, entries int
	// formats is what every link adds, see [Request.formatLink].
	formats string
}

func newBundle(kind string, contents ...[]store.Version) *bundle {
	size := 1024
	for _, versions := range contents {
		for _, v := range versions {
			size += len(v.Body) + 512
		}
	}
	b := &bundle{b: make([]byte, 0, size)}
	b.raw(`{"resourceType":"Bundle","type":"`, kind, `"`)
	return b
}

func (b *bundle) raw(parts ...string) {
	for _, p := range parts {
		b.b = append(b.b, p...)
	}
}

// total writes the number of matches; a negative one is not known.
func (b *bundle) total(n int) {
	if n >= 0 {
		b.raw(`,"total":`, strconv.Itoa(n))
	}
}

// link adds a link; all links come before the first entry.
func (b *bundle) link(relation, url string) {
	sep := `,`
	if b.links == 0 {
		sep = `,"link":[`
	}
	b.links++
	if b.formats != "" && !strings.Contains(url, "?") {
		url += "?" + b.formats[1:]
	} else {
		url += b.formats
	}
	b.raw(sep, `{"relation":"`, relation, `","url":`)
	b.b = fhir.AppendString(b.b, url)
	b.raw(`}`)
}

func (b *bundle) entry() {
	sep := `,{`
	if b.entries == 0 {
		if b.links > 0 {
			b.raw(`]`)
		}
		sep = `,"entry":[{`
	}
	b.entries++
	b.raw(sep)
}

// The modes of a search's entries (http://hl7.org/fhir/search-entry-mode).
const (
	modeMatch   = "match"
	modeInclude = "include"
)

// found adds what a search found or included.
func (b *bundle) found(base string, k store.Key, body []byte, mode string) {
	b.entry()
	b.raw(`"fullUrl":"`, base, `/`, k.Type, `/`, k.ID, `","resource":`)
	b.b = append(b.b, body...)
	b.raw(`,"search":{"mode":"`, mode, `"}}`)
}

// outcome adds remarks on the search itself.
func (b *bundle) outcome(issues []fhir.Issue) {
	b.entry()
	b.raw(`"resource":`)
	b.b = append(b.b, fhir.Outcome(issues)...)
	b.raw(`,"search":{"mode":"outcome"}}`)
}

// version adds one version of a history with the request that made it. A version
// after the first was made by a PUT, whatever its request was; back says that it
// brought back what was deleted.
func (b *bundle) version(base string, v store.Version, back bool) {
	b.entry()
	method, url, status := http.MethodPut, v.Key.String(), http.StatusOK
	switch {
	case v.Deleted:
		method, status = http.MethodDelete, http.StatusNoContent
	case v.Number == 1:
		method, url, status = http.MethodPost, v.Key.Type, http.StatusCreated
	case back:
		status = http.StatusCreated
	}
	b.raw(`"fullUrl":"`, base, `/`, v.Key.String(), `"`)
	if !v.Deleted {
		b.raw(`,"resource":`)
		b.b = append(b.b, v.Body...)
	}
	b.raw(`,"request":{"method":"`, method, `","url":"`, url, `"},"response":{"status":"`, strconv.Itoa(status))
	if !v.Deleted {
		b.raw(`","location":"`, base, `/`, v.Key.String(), `/_history/`, strconv.Itoa(v.Number))
	}
	b.raw(`","etag":"W/\"`, strconv.Itoa(v.Number), `\"","lastModified":"`, fhir.Instant(v.Updated), `"}}`)
}

func (b *bundle) bytes() []byte {
	if b.entries > 0 || b.links > 0 {
		b.raw(`]`)
	}
	b.raw(`}`)
	return b.b
}
