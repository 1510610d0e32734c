package hl7v2

import (
	"strings"
	"time"

	"trellis.example/mapping/codec/hl7v2"
)

// An Answer is what a response or a result says of the referral that it belongs
// to.
type Answer struct {
	// Referral is the reference that the one who asked gave it, Ours the one
	// that the service gave it (RF1-11); "" where the message names none.
	Referral, Ours string
	// Place is where a fault of the reference lies.
	Place string
	// NHSNumber is that of the person, ten digits; "" without one.
	NHSNumber string
}

// Answered reads what a message whose header and syntax are in order answers.
func Answered(msg []byte, o Options) Answer {
	m, err := hl7v2.ParseAs(msg, o.charset())
	if err != nil {
		return Answer{}
	}
	h := header(m)
	a := Answer{Referral: strings.Clone(answered(m, h)), Place: "RF1-6", NHSNumber: digits(nhsNumber(m))}
	if h.Kind() == Result {
		a.Place = "OBR-2"
		return a
	}
	a.Ours = strings.Clone(m.Get("RF1-11.1"))
	return a
}

// A Context is what a message about a visit says of whom and what it is about.
type Context struct {
	// Identifiers are those of the person (PID-3), each with its type and
	// authority, so that equal ones mean the same person. They are personal: do
	// not log them.
	Identifiers []string
	// Visit names the visit: its number (PV1-19), or else when it began; "" when
	// the message tells of none.
	Visit string
	// At is when it happened (EVN-2), or else when the message was written.
	At string
}

// Told reads whom a message about a visit is about.
func Told(msg []byte, o Options) Context {
	m, err := hl7v2.ParseAs(msg, o.charset())
	if err != nil {
		return Context{}
	}
	c := Context{At: strings.Clone(firstText(m, "EVN-2.1", "EVN-6.1", "MSH-7.1"))}
	if number := m.Get("PV1-19.1"); number != "" {
		c.Visit = number + "\x1f" + m.Get("PV1-19.4.1")
	} else if begun := m.Get("PV1-44.1"); begun != "" {
		c.Visit = "\x1f\x1f" + begun
	}
	f := m.First("PID").Field(3)
	for i := range min(f.Len(), maxIdentifiers) {
		v := f.Rep(i)
		if id := v.Component(1).Text(); id != "" {
			c.Identifiers = append(c.Identifiers, id+"\x1f"+v.Component(4).Sub(1).Text()+"\x1f"+v.Component(5).Text())
		}
	}
	return c
}

// digits returns the digits of a number that people write with spaces or
// hyphens.
func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, s)
}

// Before reports whether the time a (HL7 TS) lies before b. Of times that
// cannot be compared none is before the other.
func Before(a, b string) bool {
	x, ok := when(a)
	y, ok2 := when(b)
	return ok && ok2 && x.Before(y)
}

// when reads a time to the second; one without an offset is taken as UTC, which
// is off by an hour at most.
func when(s string) (time.Time, bool) {
	for _, layout := range []string{"20060102150405-0700", "200601021504-0700", "20060102150405", "200601021504", "20060102"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
