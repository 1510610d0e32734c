package bench

import (
	"bytes"
	"fmt"
	"strconv"
)

// A template is a whole HTTP request of which some spans of fixed length change
// from one request to the next. Each client has its own copy.
type template struct {
	b    []byte
	vars map[string][]int // where each placeholder stands
}

// A call is the request a template is made of.
type call struct {
	method, path string
	host, token  string
	header       map[string]string
	body         []byte
}

// request returns the bytes of a request.
func (c call) request() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", c.method, c.path, c.host)
	if c.token != "" {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", c.token)
	}
	for k, v := range c.header {
		fmt.Fprintf(&b, "%s: %s\r\n", k, v)
	}
	if c.body != nil {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(c.body))
	}
	b.WriteString("\r\n")
	b.Write(c.body)
	return b.Bytes()
}

// newTemplate finds the placeholders in a request: those of all documents and
// any further ones.
func newTemplate(request []byte, further ...string) *template {
	t := &template{b: request, vars: map[string][]int{}}
	for _, p := range append([]string{numberMark, nhsMark, patientMark, idMark}, further...) {
		for at := 0; ; {
			i := bytes.Index(request[at:], []byte(p))
			if i < 0 {
				break
			}
			t.vars[p] = append(t.vars[p], at+i)
			at += i + len(p)
		}
	}
	return t
}

func (t *template) clone() *template { return &template{b: bytes.Clone(t.b), vars: t.vars} }

// set writes a value of the placeholder's length into every place of it.
func (t *template) set(placeholder, value string) {
	for _, at := range t.vars[placeholder] {
		copy(t.b[at:at+len(placeholder)], value)
	}
}

// setNumber writes n in decimal, with zeros in front, into every place.
func (t *template) setNumber(placeholder string, n int64) {
	for _, at := range t.vars[placeholder] {
		digits(t.b[at:at+len(placeholder)], n)
	}
}

func digits(b []byte, n int64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

func number(n int64, width int) string {
	b := make([]byte, width)
	digits(b, n)
	return string(b)
}

// nhsNumbers returns the first n NHS numbers of the range 999, which is never
// issued to a person; the last digit is the Modulus 11 check digit.
func nhsNumbers(n int) []string {
	out := make([]string, 0, n)
	for serial := int64(0); len(out) < n && serial < 1_000_000; serial++ {
		s := "999" + number(serial, 6)
		sum := 0
		for i := range 9 {
			sum += int(s[i]-'0') * (10 - i)
		}
		if check := (11 - sum%11) % 11; check < 10 {
			out = append(out, s+strconv.Itoa(check))
		}
	}
	return out
}
