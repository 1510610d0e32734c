package directory

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"trellis.example/fhir"
)

// The sizes of a page.
const (
	defaultPage = 50
	maxPage     = 500
)

// A query is what a list asks for.
type query struct {
	page, perPage int
	words         []string
	term, tax     string
	org           string
	low, high     float64 // ages; -1: not asked
	from, to      int     // minutes after midnight; -1: not asked
	days          []string
	since         time.Time
	minimal, full bool
	postcode      string
	metres        float64
}

// The parameters of lists.
var (
	paging         = []string{"page", "per_page"}
	serviceFilters = []string{"search", "taxonomy_term_id", "taxonomy_id", "organization_id", "minimum_age", "maximum_age", "start_time", "end_time", "day", "modified_after", "minimal", "full"}
	siteFilters    = []string{"postcode", "proximity"}
)

// parse reads the parameters of a list. One that is not known is refused: an
// answer without the filter would look like one with it.
func parse(values url.Values, known []string) (query, error) {
	q := query{page: 1, perPage: defaultPage, low: -1, high: -1, from: -1, to: -1, metres: 5000}
	for name, v := range values {
		if !slices.Contains(known, name) {
			return q, fhir.Errorf(fhir.NotSupported, "a parameter is not known here; known are %s", strings.Join(known, ", "))
		}
		if len(v) > 1 && name != "day" {
			return q, fhir.Errorf(fhir.NotSupported, "%s may be given once", name)
		}
		if len(v[0]) > 500 {
			return q, fhir.Errorf(fhir.TooLong, "%s is too long", name)
		}
		if v[0] == "" {
			continue
		}
		if err := q.set(name, v); err != nil {
			return q, err
		}
	}
	if q.postcode == "" && values.Has("proximity") {
		return q, fhir.Errorf(fhir.BadValue, "proximity goes with a postcode")
	}
	return q, nil
}

func (q *query) set(name string, values []string) (err error) {
	v := values[0]
	switch name {
	case "page":
		q.page, err = whole(name, v, 1, 1_000_000)
	case "per_page":
		q.perPage, err = whole(name, v, 1, maxPage)
	case "search":
		q.words = strings.Fields(fold(v))
	case "taxonomy_term_id":
		q.term = strings.ToLower(v)
	case "taxonomy_id":
		q.tax = strings.ToLower(v)
	case "organization_id":
		q.org = strings.ToLower(v)
	case "minimum_age":
		q.low, err = amount(name, v)
	case "maximum_age":
		q.high, err = amount(name, v)
	case "start_time":
		q.from, err = clock(name, v)
	case "end_time":
		q.to, err = clock(name, v)
	case "day":
		q.days, err = days(values)
	case "modified_after":
		q.since, err = moment(v)
	case "minimal":
		q.minimal, err = yes(name, v)
	case "full":
		q.full, err = yes(name, v)
	case "postcode":
		if q.postcode = postcode(v); q.postcode == "" {
			err = fhir.Errorf(fhir.BadValue, "postcode: expected one of the United Kingdom, such as ZZ1 1AA")
		}
	case "proximity":
		q.metres, err = amount(name, v)
	}
	return err
}

func whole(name, v string, least, most int) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		return 0, fhir.Errorf(fhir.BadValue, "%s: expected a number from %d to %d", name, least, most)
	}
	return n, nil
}

func amount(name, v string) (float64, error) {
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || !(f >= 0 && f <= 1e7) {
		return 0, fhir.Errorf(fhir.BadValue, "%s: expected a number, 0 or more", name)
	}
	return f, nil
}

func clock(name, v string) (int, error) {
	n, ok := minutes(v)
	if !ok || len(v) > 8 {
		return 0, fhir.Errorf(fhir.BadValue, "%s: expected a time such as 09:30", name)
	}
	return n, nil
}

// days reads MO, TU … or their names, separated by commas or given again.
func days(values []string) ([]string, error) {
	var out []string
	for _, v := range values {
		for d := range strings.SplitSeq(strings.ToUpper(v), ",") {
			if d = strings.TrimSpace(d); len(d) < 2 || !slices.Contains(weekdays(), d[:2]) {
				return nil, fhir.Errorf(fhir.BadValue, "day: expected MO, TU, WE, TH, FR, SA or SU, or several separated by commas")
			}
			out = append(out, d[:2])
		}
	}
	return out, nil
}

func moment(v string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, v); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fhir.Errorf(fhir.BadValue, "modified_after: expected a date, or a date and time with its offset")
}

func yes(name, v string) (bool, error) {
	b, err := strconv.ParseBool(strings.ToLower(v))
	if err != nil {
		return false, fhir.Errorf(fhir.BadValue, "%s: expected true or false", name)
	}
	return b, nil
}

// matches reports whether a service is asked for.
func (q *query) matches(e *entry) bool {
	switch {
	case q.org != "" && lower(e.org.id) != q.org,
		q.low >= 0 && e.high > 0 && e.high < q.low,
		q.high >= 0 && e.low > q.high,
		!q.since.IsZero() && !e.updated.After(q.since),
		q.term != "" && !slices.ContainsFunc(e.terms, func(t term) bool { return lower(t.id) == q.term }),
		q.tax != "" && !slices.ContainsFunc(e.terms, func(t term) bool { return t.taxonomy != "" && taxonomyID(t.taxonomy) == q.tax }):
		return false
	}
	return q.open(e) && !slices.ContainsFunc(q.words, func(w string) bool { return !strings.Contains(e.words, w) })
}

// open reports whether one opening of the service lies on a day asked for and
// meets the time asked for.
func (q *query) open(e *entry) bool {
	if len(q.days) == 0 && q.from < 0 && q.to < 0 {
		return true
	}
	return slices.ContainsFunc(e.slots, func(s slot) bool {
		return (len(q.days) == 0 || slices.Contains(q.days, s.day)) && (q.from < 0 || s.ends > q.from) && (q.to < 0 || s.opens < q.to)
	})
}

// cut returns the part of n things that the page shows.
func (q *query) cut(n int) (start, end int) {
	start = min((q.page-1)*q.perPage, n)
	return start, min(start+q.perPage, n)
}

// The parameters of each address.
func parameters(path string) []string {
	switch path {
	case "/services":
		return append(slices.Clone(paging), serviceFilters...)
	case "/service_at_locations":
		return append(append(slices.Clone(paging), serviceFilters...), siteFilters...)
	case "/organizations", "/taxonomies":
		return append(slices.Clone(paging), "search")
	case "/taxonomy_terms":
		return append(slices.Clone(paging), "search", "taxonomy_id")
	}
	return nil
}

// statusOf keeps refusals of parameters apart from the store's troubles.
func statusOf(err error) int {
	if e := fhir.AsError(err); e.HTTPStatus() != 0 {
		return e.HTTPStatus()
	}
	return http.StatusInternalServerError
}
