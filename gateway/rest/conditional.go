package rest

import (
	"net/http"
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// A precondition is what a request asks of the version that it changes.
type precondition struct {
	// match is the version that If-Match names; 0 without the header.
	match int
	// fresh is If-None-Match: * (nothing may be there yet).
	fresh bool
}

// precondition reads If-Match and If-None-Match of a change.
func (q *Request) precondition() (precondition, error) {
	match, err := q.ifMatch()
	p := precondition{match: match}
	if err != nil {
		return p, err
	}
	h := q.Header["If-None-Match"]
	if len(h) == 0 {
		return p, nil
	}
	if len(h) > 1 || strings.TrimSpace(h[0]) != "*" {
		return p, fhir.Errorf(fhir.NotSupported, "If-None-Match of a change may be * only")
	}
	if p.fresh = true; match > 0 {
		return p, fhir.Errorf(fhir.Invalid, "If-Match and If-None-Match contradict each other")
	}
	return p, nil
}

// only reports whether the request means one state of the resource: then it is
// not taken up again after it lost a race.
func (p precondition) only() bool { return p.match > 0 || p.fresh }

// judge says whether the version (0: none, or deleted) may be replaced.
func (p precondition) judge(number int) error {
	switch {
	case p.match > 0 && p.match != number:
		return stale()
	case p.fresh && number > 0:
		return there()
	}
	return nil
}

// lost is the answer when the race for the one state that is meant was lost.
func (p precondition) lost() error {
	if p.fresh {
		return there()
	}
	return stale()
}

func stale() error {
	return fhir.StatusErrorf(http.StatusPreconditionFailed, fhir.Conflict, "If-Match does not name the current version; read it again and repeat")
}

func there() error {
	return fhir.StatusErrorf(http.StatusPreconditionFailed, fhir.Conflict, "If-None-Match: * asks for a new resource, and there is one already")
}

// ifMatch returns the version that If-Match names; 0 without the header.
func (q *Request) ifMatch() (int, error) {
	h := q.Header["If-Match"]
	if len(h) == 0 {
		return 0, nil
	}
	n, ok := etag(h[0])
	if !ok || len(h) > 1 {
		return 0, fhir.Errorf(fhir.Invalid, `If-Match is one version, such as W/"3"`)
	}
	return n, nil
}

// etag reads the version that an entity tag of ours names.
func etag(s string) (int, bool) {
	return version(strings.Trim(strings.TrimPrefix(s, "W/"), `"`))
}

// version reads a version id of ours: 1, 2, 3 and so on.
func version(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n > 0 && n < 1<<31 && strconv.Itoa(n) == s
}
