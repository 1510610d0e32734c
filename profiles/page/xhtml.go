package page

import (
	"strings"
)

// xhtml turns the Markdown of a page into the <div> of a narrative. Everything
// that is not the markup of [writer] is text.
func xhtml(markdown string) string {
	r := renderer{lines: strings.Split(markdown, "\n")}
	r.b.WriteString(`<div xmlns="http://www.w3.org/1999/xhtml">`)
	for r.at < len(r.lines) {
		r.block()
	}
	r.b.WriteString("</div>")
	return r.b.String()
}

type renderer struct {
	lines []string
	at    int
	b     strings.Builder
}

// block renders the lines from at that belong together.
func (r *renderer) block() {
	line := r.lines[r.at]
	switch {
	case strings.TrimSpace(line) == "":
		r.at++
	case headingLevel(line) > 0:
		n := headingLevel(line)
		tag := "h" + string(rune('0'+min(n, 6)))
		r.wrapped(tag, strings.TrimSpace(line[n:]))
		r.at++
	case strings.HasPrefix(line, "|"):
		r.table()
	case item(line) != "":
		r.list("ul", item)
	case numbered(line) != "":
		r.list("ol", numbered)
	default:
		r.paragraph()
	}
}

func (r *renderer) wrapped(tag, text string) {
	r.b.WriteString("<" + tag + ">")
	r.inline(text)
	r.b.WriteString("</" + tag + ">")
}

func headingLevel(line string) int {
	n := len(line) - len(strings.TrimLeft(line, "#"))
	if n == 0 || n >= len(line) || line[n] != ' ' || strings.TrimSpace(line[n:]) == "" {
		return 0
	}
	return n
}

// item returns the text of a line that is an entry of a list.
func item(line string) string {
	if rest, ok := strings.CutPrefix(line, "- "); ok {
		return strings.TrimSpace(rest)
	}
	rest, _ := strings.CutPrefix(line, "* ")
	if len(rest) == len(line) {
		return ""
	}
	return strings.TrimSpace(rest)
}

func numbered(line string) string {
	n := len(line) - len(strings.TrimLeft(line, "0123456789"))
	rest, ok := strings.CutPrefix(line[n:], ". ")
	if n == 0 || !ok {
		return ""
	}
	return strings.TrimSpace(rest)
}

// list renders entries; a line that follows one with an indent belongs to it.
func (r *renderer) list(tag string, entry func(string) string) {
	r.b.WriteString("<" + tag + ">")
	for r.at < len(r.lines) && entry(r.lines[r.at]) != "" {
		text := entry(r.lines[r.at])
		for r.at++; r.at < len(r.lines) && strings.HasPrefix(r.lines[r.at], "  "); r.at++ {
			text += " " + strings.TrimSpace(r.lines[r.at])
		}
		r.wrapped("li", text)
	}
	r.b.WriteString("</" + tag + ">")
}

func (r *renderer) paragraph() {
	var text []string
	for r.at < len(r.lines) {
		line := r.lines[r.at]
		if strings.TrimSpace(line) == "" || len(text) > 0 && (headingLevel(line) > 0 || item(line) != "" || line[0] == '|') {
			break
		}
		text = append(text, strings.TrimSpace(line))
		r.at++
	}
	r.wrapped("p", strings.Join(text, " "))
}

// table renders rows; the second, of dashes, makes the first the head.
func (r *renderer) table() {
	r.b.WriteString("<table>")
	head := r.at+1 < len(r.lines) && strings.HasPrefix(r.lines[r.at+1], "|--")
	for first := true; r.at < len(r.lines) && strings.HasPrefix(r.lines[r.at], "|"); r.at++ {
		if strings.HasPrefix(r.lines[r.at], "|--") || strings.Trim(r.lines[r.at], "| ") == "" {
			first = false
			continue
		}
		tag := "td"
		if first && head {
			tag = "th"
		}
		first = false
		r.b.WriteString("<tr>")
		for _, c := range cells(r.lines[r.at]) {
			r.wrapped(tag, c)
		}
		r.b.WriteString("</tr>")
	}
	r.b.WriteString("</table>")
}

// cells splits a row at the bars that are not escaped.
func cells(line string) []string {
	line = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "|"), "|")
	var out []string
	var cell strings.Builder
	for i := 0; i < len(line); i++ {
		switch {
		case strings.HasPrefix(line[i:], `\|`):
			cell.WriteByte('|')
			i++
		case line[i] == '|':
			out = append(out, strings.TrimSpace(cell.String()))
			cell.Reset()
		default:
			cell.WriteByte(line[i])
		}
	}
	return append(out, strings.TrimSpace(cell.String()))
}

// inline renders code, bold, italic and links within a line.
func (r *renderer) inline(s string) {
	for s != "" {
		i := strings.IndexAny(s, "\\`*[")
		if i < 0 {
			break
		}
		r.text(s[:i])
		s = s[i:]
		n := r.mark(s)
		if n == 0 { // a lone mark is text
			r.text(s[:1])
			n = 1
		}
		s = s[n:]
	}
	r.text(s)
}

// mark renders the mark that s begins with and returns its length, 0 when it is
// none.
func (r *renderer) mark(s string) int {
	switch {
	case s[0] == '\\' && len(s) > 1 && strings.IndexByte("\\`*_[]<>#|", s[1]) >= 0:
		r.text(s[1:2])
		return 2
	case s[0] == '`':
		return r.code(s)
	case strings.HasPrefix(s, "**"):
		return r.emphasis(s, "**", "b")
	case s[0] == '*':
		return r.emphasis(s, "*", "i")
	case s[0] == '[':
		return r.link(s)
	}
	return 0
}

func (r *renderer) code(s string) int {
	end := strings.IndexByte(s[1:], '`')
	if end < 1 {
		return 0
	}
	r.b.WriteString("<code>")
	r.text(s[1 : 1+end])
	r.b.WriteString("</code>")
	return end + 2
}

func (r *renderer) emphasis(s, mark, tag string) int {
	n := len(mark)
	end := strings.Index(s[n:], mark)
	if end < 1 || s[n] == ' ' {
		return 0
	}
	r.b.WriteString("<" + tag + ">")
	r.inline(s[n : n+end])
	r.b.WriteString("</" + tag + ">")
	return end + 2*n
}

// link renders [title](address); an address that is no plain web or relative
// one is text.
func (r *renderer) link(s string) int {
	middle := strings.Index(s, "](")
	if middle < 1 {
		return 0
	}
	end := strings.IndexByte(s[middle:], ')')
	if end < 0 {
		return 0
	}
	address := s[middle+2 : middle+end]
	if !safeAddress(address) {
		return 0
	}
	r.b.WriteString(`<a href="`)
	r.text(address)
	r.b.WriteString(`">`)
	r.inline(s[1:middle])
	r.b.WriteString("</a>")
	return middle + end + 1
}

func safeAddress(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"'<>\\&", c) >= 0 {
			return false
		}
	}
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") || s != "" && !strings.Contains(s, ":")
}

var escapes = [256]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '"': "&quot;"}

// text writes text with what XHTML would read as markup escaped; control
// characters, which it cannot hold, become spaces.
func (r *renderer) text(s string) {
	for i := range len(s) {
		switch c := s[i]; {
		case escapes[c] != "":
			r.b.WriteString(escapes[c])
		case c < ' ':
			r.b.WriteByte(' ')
		default:
			r.b.WriteByte(c)
		}
	}
}
