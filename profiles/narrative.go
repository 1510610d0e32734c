package profiles

import (
	"html"
	"slices"
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// The XHTML of a narrative: formatting only (R4 narrative, section 2.4.0.1).
// Nothing in it may run, fetch a style or submit a form.

const xhtmlNamespace = "http://www.w3.org/1999/xhtml"

var narrativeElements = wordSet(`a abbr acronym address area b bdo big blockquote br caption cite code col
	colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img kbd li map ol p pre q s samp small span strike strong
	sub sup table tbody td tfoot th thead tr tt u ul var`)

var narrativeAttributes = wordSet(`abbr accesskey align alt axis bgcolor border cellpadding cellspacing char
	charoff charset cite class color colspan compact coords dir face frame headers height href hreflang id
	ismap lang longdesc name nohref noshade nowrap rel rev rowspan rules scope shape size space span src start
	style summary tabindex target title type usemap valign value vspace hspace width xml:lang xml:space xmlns`)

func wordSet(s string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(s) {
		set[w] = true
	}
	return set
}

// checkNarrative returns the rule a narrative breaks and what was expected, or
// "". It reads the text once and allocates nothing.
func checkNarrative(s string) (rule, expect string) {
	x := xhtml{s: strings.TrimSpace(s)}
	switch {
	case len(s) > maxNarrative:
		return ruleNarrative, "a narrative of at most two megabytes"
	case hasControl(s):
		return ruleNarrative, "a narrative without control characters"
	}
	if !strings.HasPrefix(x.s, "<div") {
		return ruleNarrative, "a narrative is one <div> element"
	}
	for x.pos < len(x.s) {
		if fault := x.token(); fault != "" {
			return ruleNarrative, fault
		}
	}
	switch {
	case x.depth > 0:
		return ruleNarrative, "every element of the narrative must be closed"
	case !x.content:
		return ruleNarrativeEmpty, "a narrative must have some text or an image"
	}
	return "", ""
}

// maxNarrativeDepth bounds how deep elements of a narrative are nested: pages
// that show it must not run out of stack.
const maxNarrativeDepth = 128

// maxNarrative is the longest narrative in bytes. R4 has no limit; its own
// examples go up to 1.8 MB.
const maxNarrative = 2 << 20

type xhtml struct {
	s       string
	pos     int
	stack   [maxNarrativeDepth]string
	depth   int
	names   [24]string // of the attributes of one tag
	done    bool
	content bool
}

// token reads text, a comment or a tag. Like the methods below it returns what
// was expected where the narrative is at fault, else "".
func (x *xhtml) token() string {
	rest := x.s[x.pos:]
	if rest[0] != '<' {
		n := strings.IndexByte(rest, '<')
		if n < 0 {
			n = len(rest)
		}
		x.pos += n
		return x.text(rest[:n])
	}
	if comment, ok := strings.CutPrefix(rest, "<!--"); ok {
		end := strings.Index(comment, "-->")
		// browsers end comments where XML does not, so markup inside one may run
		if end < 0 || strings.ContainsAny(comment[:end], "<>") || strings.HasPrefix(comment, "-") {
			return "a comment in the narrative must be closed and may not hold < or >"
		}
		x.pos += len("<!--") + end + len("-->")
		return ""
	}
	if len(rest) > 1 && rest[1] == '/' {
		return x.endTag(rest)
	}
	return x.startTag(rest)
}

func (x *xhtml) text(s string) string {
	if strings.TrimSpace(s) == "" {
		return ""
	}
	if x.depth == 0 {
		return "a narrative is one <div> element with nothing beside it"
	}
	x.content = true
	if strings.Contains(s, "]]>") {
		return "the text of the narrative may not hold ]]>"
	}
	return x.entities(s)
}

// entities checks that each & begins a character reference.
func (x *xhtml) entities(s string) string {
	for {
		i := strings.IndexByte(s, '&')
		if i < 0 {
			return ""
		}
		s = s[i+1:]
		end := strings.IndexByte(s, ';')
		if end < 1 || end > 10 || !isEntity(s[:end]) {
			return "an & in the narrative must begin a character reference such as &amp;"
		}
	}
}

// isEntity accepts the five references of XML, those by number, and those of
// HTML: R4 would have characters for the last (narrative, section 2.4.0.1), but
// they are common, harmless, and become numbers in the XML format.
func isEntity(s string) bool {
	switch s {
	case "amp", "lt", "gt", "quot", "apos":
		return true
	}
	if hex, ok := strings.CutPrefix(s, "#x"); ok {
		return isHex(hex) && !isControlNumber(hex, 16)
	}
	number, ok := strings.CutPrefix(s, "#")
	if !ok {
		name := "&" + s + ";"
		return html.UnescapeString(name) != name
	}
	return isDigits(number) && !isControlNumber(number, 10)
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return s != ""
}

// isControlNumber sees the numbers of characters that XML does not have.
func isControlNumber(s string, base int) bool {
	n, err := strconv.ParseUint(s, base, 32)
	return err != nil || n < ' ' && n != '\t' && n != '\r' && n != '\n' || n >= 0xd800 && n < 0xe000 || n == 0xfffe || n == 0xffff || n > 0x10ffff
}

func (x *xhtml) endTag(rest string) string {
	end := strings.IndexByte(rest, '>')
	if end < 0 || x.depth == 0 || strings.TrimRight(rest[2:end], " \t\r\n") != x.stack[x.depth-1] {
		return "the elements of the narrative must be nested and closed"
	}
	x.depth--
	x.done = x.depth == 0
	x.pos += end + 1
	return ""
}

func (x *xhtml) startTag(rest string) string {
	n := 1
	for n < len(rest) && isNameByte(rest[n]) {
		n++
	}
	name := rest[1:n]
	switch {
	case x.done:
		return "a narrative is one <div> element with nothing beside it"
	case !narrativeElements[name]:
		return "the narrative may hold only XHTML formatting, links and images"
	}
	root := x.depth == 0
	namespace, count := false, 0
	for {
		blank := skipSpace(rest[n:])
		n += blank
		if n >= len(rest) {
			return "a tag of the narrative is not closed"
		}
		if rest[n] == '>' || strings.HasPrefix(rest[n:], "/>") {
			break
		}
		attr, value, size := attribute(rest[n:])
		if size == 0 || blank == 0 {
			return "the attributes of the narrative must be name=\"value\""
		}
		n += size
		if slices.Contains(x.names[:count], attr) || count == len(x.names) {
			return "an attribute of the narrative may be given once"
		}
		x.names[count] = attr
		count++
		if root && attr == "xmlns" {
			namespace = value == xhtmlNamespace
		} else if fault := x.attribute(name, attr, value); fault != "" {
			return fault
		}
	}
	if root && (name != "div" || !namespace) {
		return "a narrative is a <div> of the namespace " + xhtmlNamespace
	}
	return x.opened(name, rest, n)
}

func (x *xhtml) opened(name, rest string, n int) string {
	if name == "img" {
		x.content = true
	}
	if rest[n] == '>' {
		if x.depth == len(x.stack) {
			return "the narrative is nested too deeply"
		}
		x.stack[x.depth] = name
		x.depth++
		n++
	} else {
		n += 2
		x.done = x.depth == 0
	}
	x.pos += n
	return ""
}

func (x *xhtml) attribute(element, name, value string) string {
	if !narrativeAttributes[name] {
		return "the narrative may not have scripts, event handlers or other active attributes"
	}
	if name == "src" && element != "img" || name == "href" && element != "a" && element != "area" {
		return "only images have a source, and only links an address"
	}
	if name == "xmlns" && value != xhtmlNamespace {
		return "the narrative may hold only XHTML"
	}
	if name == "style" && !safeStyle(value) {
		return "styles in the narrative may not fetch or run anything"
	}
	if (name == "href" || name == "src" || name == "longdesc" || name == "cite" || name == "usemap") && !safeURL(element, value) {
		return "links in the narrative may not run anything"
	}
	if strings.IndexByte(value, '<') >= 0 {
		return "a < in an attribute of the narrative must be written &lt;"
	}
	return x.entities(value)
}

// attribute splits name="value" off s; size 0 means it is not well formed.
func attribute(s string) (name, value string, size int) {
	n := 0
	for n < len(s) && (isNameByte(s[n]) || s[n] == ':' || s[n] == '-') {
		n++
	}
	i := n + skipSpace(s[n:])
	if n == 0 || i >= len(s) || s[i] != '=' {
		return "", "", 0
	}
	i++
	i += skipSpace(s[i:])
	if i >= len(s) || s[i] != '"' && s[i] != '\'' {
		return "", "", 0
	}
	end := strings.IndexByte(s[i+1:], s[i])
	if end < 0 {
		return "", "", 0
	}
	return s[:n], s[i+1 : i+1+end], i + end + 2
}

// safeURL refuses URLs that run: their scheme must be one that only links.
// Characters that browsers ignore within a scheme, and character references
// that could hide one, make a URL unsafe.
func safeURL(element, s string) bool {
	s = strings.TrimSpace(s)
	colon := strings.IndexByte(s, ':')
	if end := strings.IndexAny(s, "/?#"); end >= 0 && end < colon {
		colon = -1
	}
	if colon < 0 {
		return !strings.Contains(s, "&#") && !strings.Contains(s, "&colon")
	}
	scheme := s[:colon]
	for _, ok := range [...]string{"http", "https", "mailto", "tel", "urn", "ftp", "cid"} {
		if strings.EqualFold(scheme, ok) {
			return true
		}
	}
	data := strings.TrimSpace(s[colon+1:])
	return element == "img" && strings.EqualFold(scheme, "data") &&
		(hasPrefixFold(data, "image/png") || hasPrefixFold(data, "image/jpeg") || hasPrefixFold(data, "image/gif"))
}

// safeStyle refuses style sheets from elsewhere and anything that runs. A
// background image is judged as an image is.
func safeStyle(s string) bool {
	for {
		i := indexFold(s, "url(")
		if i < 0 {
			return passive(s)
		}
		url, after, closed := strings.Cut(s[i+len("url("):], ")")
		if !closed || !passive(s[:i]) || !safeURL("img", strings.Trim(url, "'\" ")) {
			return false
		}
		s = after
	}
}

// passive reports whether a part of a style has none of the words by which
// browsers, old ones too, load or run something.
func passive(s string) bool {
	for _, bad := range [...]string{"expression", "import", "javascript", "behavior", "binding", "\\", "&#", "/*"} {
		if indexFold(s, bad) >= 0 {
			return false
		}
	}
	return true
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// indexFold returns where sub, in small letters, stands in s in whatever case,
// or -1.
func indexFold(s, sub string) int {
	if isASCII(s) {
		return strings.Index(strings.ToLower(s), sub)
	}
	for i := 0; i+len(sub) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(sub)], sub) {
			return i
		}
	}
	return -1
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func skipSpace(s string) int {
	n := 0
	for n < len(s) && (s[n] == ' ' || s[n] == '\t' || s[n] == '\r' || s[n] == '\n') {
		n++
	}
	return n
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z'
}

// narrative reports a fault of a narrative.
func (w *walk) narrative(v fhir.Value, rule, text string) {
	w.add(v, "", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Invariant, Rule: rule, Text: text,
		Expected: "XHTML of formatting, links and images", Found: "XHTML outside those rules"})
}

// maxEmptyNarrative is how long the words may be that say that there is no
// narrative.
const maxEmptyNarrative = 200

// narrativeStatus compares what text.status says with the text: a reader that is
// told that it is empty does not show it.
func (w *walk) narrativeStatus(v fhir.Value) {
	status := v.Get("status")
	if status.Text() == "empty" && wordsIn(v.Get("div").Text()) > maxEmptyNarrative {
		w.add(status, "", fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.Invariant, Rule: ruleNarrativeStatus,
			Text: "the narrative is said to be empty and is not", Expected: "generated, extensions or additional", Found: "empty beside a long text"})
	}
}

// wordsIn counts the bytes of a narrative outside its tags and white space.
func wordsIn(s string) int {
	n, inside := 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '<':
			inside = true
		case c == '>':
			inside = false
		case !inside && c > ' ':
			n++
		}
	}
	return n
}
