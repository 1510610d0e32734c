package oruk

import (
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// ownPrefix is what the names of members begin with that reading adds.
const ownPrefix = "x-trellis-"

// A dialect is what a version of the standard calls its parts.
type dialect struct {
	schedules, attributes, term, addresses, accessibility string
	// taxonomy names the taxonomy of a term.
	taxonomy string
	// ages is the path of the object that holds the ages; empty: the service.
	ages string
}

var (
	version3 = dialect{schedules: "schedules", attributes: "attributes", term: "taxonomy_term", addresses: "addresses", accessibility: "accessibility", taxonomy: "taxonomy"}
	version1 = dialect{schedules: "regular_schedules", attributes: "service_taxonomys", term: "taxonomy", addresses: "physical_addresses", accessibility: "accessibility_for_disabilities", taxonomy: "vocabulary", ages: "eligibilitys"}
)

// A syntax is JSON with what the map needs to know of a row as a whole: whether
// a schedule is a week's, of which kind a term is.
type syntax struct {
	codec.Syntax
	words dialect
}

// Read reads the records and adds the members whose names begin with
// "x-trellis-". A member of such a name that a document brings says nothing to
// the map; it is kept with what FHIR has no element for.
func (s syntax) Read(r io.Reader, shape codec.Shape, yield func(*codec.Doc, []fhir.Issue) bool) []fhir.Issue {
	return s.Syntax.Read(r, shape, func(d *codec.Doc, faults []fhir.Issue) bool {
		if d != nil {
			silence(d)
			annotator{d, s.words}.service()
		}
		return yield(d, faults)
	})
}

// Blank returns an empty record. Its members need no order: what is written is
// put in order at the end.
func (s syntax) Blank(codec.Shape) *codec.Doc { return s.Syntax.Blank(codec.Shape{}) }

// silence empties what stands at and below members of our own names.
func silence(d *codec.Doc) {
	for i := range d.Len() {
		for id := codec.ID(i); id != codec.Root; id = d.Parent(id) {
			if strings.HasPrefix(d.Name(id), ownPrefix) {
				d.Set(codec.ID(i), "", codec.Text)
				break
			}
		}
	}
}

// An annotator adds to a record what its rows say as a whole.
type annotator struct {
	d     *codec.Doc
	words dialect
}

func (a annotator) service() {
	var other []string
	for id := range a.each(codec.Root, a.words.schedules) {
		if a.weekly(id) {
			a.mark(id, "form", "weekly")
		} else if s := a.sentence(id); s != "" {
			other = append(other, s)
		}
	}
	a.mark(codec.Root, "times", strings.Join(other, "\n"))
	for _, list := range []string{a.words.attributes, "link_taxonomy"} {
		for id := range a.each(codec.Root, list) {
			a.mark(id, "kind", a.kind(id))
		}
	}
	for id := range a.each(codec.Root, "languages") {
		a.mark(id, "code", a.language(id))
	}
	a.ages()
	for id := range a.each(codec.Root, "cost_options") {
		if a.text(id, "amount")+a.text(id, "amount_description") != "" && a.season(id) {
			a.mark(id, "form", "said")
		}
	}
	a.said(codec.Root, "contacts", "name", "title")
	for id := range a.each(codec.Root, "service_at_locations") {
		if l := a.d.Child(id, "location"); l != codec.None {
			a.said(l, a.words.accessibility, "accessibility", "description", "details", "url")
			a.said(l, a.words.addresses, "address_1", "city", "region", "state_province", "postal_code", "country")
			a.shorten(l, "latitude")
			a.shorten(l, "longitude")
		}
	}
}

func (a annotator) mark(id codec.ID, name, text string) {
	if text != "" {
		put(a.d, id, ownPrefix+name, text)
	}
}

// put sets a member. One that holds members itself, as no document of the format
// has it, stays, and put reports false: the map then reads nothing there.
func put(d *codec.Doc, at codec.ID, name, text string) bool {
	c := d.Child(at, name)
	if c == codec.None {
		c = d.Add(at, codec.Step{Name: name}, "")
	}
	if d.First(c) != codec.None {
		return false
	}
	d.Set(c, text, codec.Text)
	return true
}

// each yields the elements of an array of objects.
func (a annotator) each(at codec.ID, name string) func(func(codec.ID) bool) {
	return func(yield func(codec.ID) bool) {
		for c := a.d.Child(at, name); c != codec.None; c = a.d.NextSame(c) {
			if a.d.First(c) != codec.None && !yield(c) {
				return
			}
		}
	}
}

// text is the trimmed text of a member; "" when there is none.
func (a annotator) text(at codec.ID, name string) string {
	c := a.d.Child(at, name)
	if c == codec.None || a.d.First(c) != codec.None {
		return ""
	}
	return strings.TrimSpace(a.d.Text(c))
}

// said marks the rows that say more than their id.
func (a annotator) said(at codec.ID, list string, names ...string) {
	for id := range a.each(at, list) {
		if slices.ContainsFunc(names, func(n string) bool { return a.text(id, n) != "" }) {
			a.mark(id, "form", "said")
		}
	}
}

// maxDigits is how many digits a FHIR decimal has (R4, datatypes: decimal).
const maxDigits = 17

// shorten rounds a coordinate that a computer wrote with more digits than a
// decimal may have; the exact one is kept.
func (a annotator) shorten(at codec.ID, name string) {
	c := a.d.Child(at, name)
	if c == codec.None || len(a.d.Text(c)) <= maxDigits {
		return
	}
	if f, err := strconv.ParseFloat(a.d.Text(c), 64); err == nil {
		a.d.Set(c, strconv.FormatFloat(f, 'f', 9, 64), codec.Literal)
	}
}

var (
	plainDays = regexp.MustCompile(`^(?i)(MO|TU|WE|TH|FR|SA|SU)( *, *(MO|TU|WE|TH|FR|SA|SU))*$`)
	plainTime = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$`)
	plainDate = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
)

// weekly reports whether a week of availableTime says all that the schedule
// says about when: every week, on plain days, at local times. A time with a
// zone is none, because FHIR's has no place for the zone.
func (a annotator) weekly(id codec.ID) bool {
	interval := a.text(id, "interval")
	ok := strings.EqualFold(a.text(id, "freq"), "WEEKLY") && (interval == "" || interval == "1") &&
		plainDays.MatchString(a.text(id, "byday")) && a.text(id, "bymonthday") == "" && a.text(id, "schedule_link") == ""
	for _, n := range []string{"opens_at", "closes_at"} {
		t := a.text(id, n)
		ok = ok && (t == "" || plainTime.MatchString(t))
	}
	for _, n := range []string{"valid_from", "valid_to"} {
		t := a.text(id, n)
		ok = ok && (t == "" || plainDate.MatchString(t))
	}
	return ok && a.season(id)
}

// season reports that a row does not end before it begins: a Period cannot.
func (a annotator) season(id codec.ID) bool {
	from, to := a.text(id, "valid_from"), a.text(id, "valid_to")
	return from == "" || to == "" || from <= to
}

// sentence is a schedule in the words of the feed.
func (a annotator) sentence(id codec.ID) string {
	var parts []string
	for _, n := range []string{"description", "freq", "interval", "byday", "bymonthday", "opens_at", "closes_at", "valid_from", "valid_to", "dtstart", "schedule_link", "notes"} {
		if t := a.text(id, n); t != "" {
			parts = append(parts, n+": "+t)
		}
	}
	return strings.Join(parts, "; ")
}

var absolute = regexp.MustCompile(`^(https?://|urn:)[^ ]+$`)

// kind says what a term speaks of; "" when it has no id or no name.
func (a annotator) kind(id codec.ID) string {
	term := a.d.Child(id, a.words.term)
	if term == codec.None || a.text(term, "id") == "" || a.text(term, "name") == "" {
		return ""
	}
	if link := a.text(id, "link_type"); (link == "type" || link == "category") && absolute.MatchString(a.text(term, a.words.taxonomy)) && a.text(term, "term") != "" {
		return "coded-" + link // a code of FHIR's, as writing has it
	}
	for _, t := range []string{a.text(term, a.words.taxonomy), a.text(id, "link_type")} {
		t = strings.NewReplacer("_", "", " ", "", "-", "").Replace(strings.ToLower(t))
		switch {
		case strings.Contains(t, "servicetype"):
			return "service-type"
		case strings.Contains(t, "circumstance"):
			return "circumstance"
		case strings.HasSuffix(t, "need") || strings.HasSuffix(t, "needs"):
			return "need"
		}
	}
	return "term"
}

var languageTag = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$`)

// languageCodes are the codes of languages that many services in the United
// Kingdom name (BCP 47).
func languageCodes() map[string]string {
	return map[string]string{
		"english": "en", "welsh": "cy", "cymraeg": "cy", "scottish gaelic": "gd", "irish": "ga", "british sign language": "bfi", "bsl": "bfi",
		"polish": "pl", "romanian": "ro", "punjabi": "pa", "panjabi": "pa", "urdu": "ur", "portuguese": "pt", "spanish": "es", "arabic": "ar",
		"bengali": "bn", "gujarati": "gu", "italian": "it", "french": "fr", "german": "de", "lithuanian": "lt", "turkish": "tr", "somali": "so",
		"ukrainian": "uk", "russian": "ru", "tamil": "ta", "hindi": "hi", "bulgarian": "bg", "hungarian": "hu", "slovak": "sk", "czech": "cs",
		"greek": "el", "farsi": "fa", "persian": "fa", "pashto": "ps", "dari": "prs", "kurdish": "ku", "tigrinya": "ti", "amharic": "am",
		"vietnamese": "vi", "cantonese": "yue", "mandarin": "cmn", "chinese": "zh", "nepali": "ne", "albanian": "sq", "latvian": "lv",
	}
}

// language is the code of a row: its own, or that of the language it names.
func (a annotator) language(id codec.ID) string {
	if c := a.text(id, "code"); languageTag.MatchString(c) {
		return c
	}
	name := a.text(id, "name")
	if name == "" {
		name = a.text(id, "language")
	}
	return languageCodes()[strings.ToLower(name)]
}

// ages adds the ages in words.
func (a annotator) ages() {
	at := codec.Root
	if a.words.ages != "" {
		at = a.d.Child(codec.Root, a.words.ages)
	}
	if at == codec.None {
		return
	}
	low, high := a.text(at, "minimum_age"), a.text(at, "maximum_age")
	switch {
	case low != "" && high != "":
		a.mark(codec.Root, "ages", "Age "+low+" to "+high)
	case low != "":
		a.mark(codec.Root, "ages", "Age "+low+" and over")
	case high != "":
		a.mark(codec.Root, "ages", "Age "+high+" and under")
	}
}
