package hl7v2

import (
	"cmp"
	"slices"
	"strings"

	"trellis.example/mapping/codec/hl7v2"
)

// Merge lays a later message over an earlier one about the same thing, as HL7
// v2 has it (section 2.6): a field that the later message leaves empty keeps
// what the earlier one said, the explicit null "" deletes it, and anything else
// replaces it. Segments that repeat are replaced as a whole, all of a name
// together (providers by their role), where the later message has any, and kept
// where it has none. The result is the later message, in UTF-8, with what it
// did not say. The error is that of parsing.
func Merge(earlier, later []byte) ([]byte, error) { return Options{}.Merge(earlier, nil, later) }

// Merge is [Merge] as the partner's agreement has it. person is an earlier
// message of which only what it said of the person counts, for a message about
// another visit; either may be nil.
func (o Options) Merge(earlier, person, later []byte) ([]byte, error) {
	m, err := hl7v2.ParseAs(later, o.charset())
	if err != nil {
		return nil, err
	}
	var before []unit
	for i, msg := range [][]byte{earlier, person} {
		if msg == nil {
			continue
		}
		old, err := hl7v2.ParseAs(msg, o.charset())
		if err != nil {
			return nil, err
		}
		for _, u := range units(old) {
			if i == 1 && !aboutPerson(u.key) || find(before, u.key) >= 0 {
				continue
			}
			before = append(before, u)
		}
	}
	return join(before, units(m)), nil
}

// A unit is what a later message replaces as a whole.
type unit struct {
	key  string
	segs []hl7v2.Segment
	old  hl7v2.Segment // whose fields stand where the later segment's are empty
}

// single are the segments that a message has once, whose fields count one by
// one.
const single = "RF1 PID PD1 PV1 PV2"

// passing are the segments that say something of the message itself.
const passing = "MSH SFT MSA ERR EVN" //nolint:gosec // names of segments

func aboutPerson(key string) bool { return strings.Contains("PID PD1 NK1 AL1", key) }

// units gathers the segments of a message. Results and their notes are one.
func units(m *hl7v2.Message) []unit {
	var out []unit
	results := false
	for i := range m.Len() {
		s := m.Segment(i)
		key := s.Name()
		switch {
		case key == "OBR" || key == "OBX" || key == "NTE" && results:
			key, results = "OBX", true
		case key == "PRD":
			key, results = "PRD "+roles(s), false
		default:
			results = false
		}
		n := find(out, key)
		if n < 0 {
			n = len(out)
			out = append(out, unit{key: key})
		}
		out[n].segs = append(out[n].segs, s)
	}
	return out
}

// roles are the codes of PRD-1.
func roles(s hl7v2.Segment) string {
	var out []string
	for i := range min(s.Field(1).Len(), maxIdentifiers) {
		out = append(out, s.Field(1).Rep(i).Component(1).Text())
	}
	return strings.Join(out, " ")
}

func find(list []unit, key string) int {
	return slices.IndexFunc(list, func(u unit) bool { return u.key == key })
}

// join writes the later units over the earlier.
func join(before, now []unit) []byte {
	for i := range now {
		if n := find(before, now[i].key); n >= 0 && strings.Contains(single, now[i].key) {
			now[i].old = before[n].segs[0]
		}
	}
	for _, u := range before {
		if find(now, u.key) < 0 && !strings.Contains(passing, u.key) && u.key[0] != 'Z' {
			now = append(now, u)
		}
	}
	slices.SortStableFunc(now, func(a, b unit) int { return cmp.Compare(place(a.key), place(b.key)) })
	w := hl7v2.NewWriter(hl7v2.Standard(), hl7v2.UTF8)
	for _, u := range now {
		for i, s := range u.segs {
			w.Segment(s.Name())
			if i == 0 {
				keep(w, u.old)
			}
			overlay(w, s, u.old)
		}
	}
	return w.Bytes()
}

// keep writes the fields of the earlier segment, deletions excepted: they have
// been done.
func keep(w *hl7v2.Writer, s hl7v2.Segment) {
	for n := 1; n <= s.Len(); n++ {
		if !s.Field(n).Rep(0).IsNull() {
			w.CopyField(n, s.Field(n))
		}
	}
}

func overlay(w *hl7v2.Writer, s, old hl7v2.Segment) {
	for n := 1; n <= s.Len(); n++ {
		if f := s.Field(n); f.Len() > 0 && !(n == 6 && sameReferral(s, old)) {
			w.Clear(n)
			w.CopyField(n, f)
		}
	}
	if s.Name() == "MSH" {
		w.Clear(18)
		w.Put(18, string(hl7v2.UTF8))
	}
}

// sameReferral reports an RF1-6 that is the earlier one without its namespace:
// some senders give that only once, and it is part of the referral's name.
func sameReferral(s, old hl7v2.Segment) bool {
	now, was := s.Field(6).Rep(0), old.Field(6).Rep(0)
	return s.Name() == "RF1" && now.Component(2).Empty() && now.Component(1).Text() == was.Component(1).Text()
}

// place orders the units so that notes keep their owners.
func place(key string) int {
	const order = "MSH SFT MSA EVN RF1 AUT CTD PRD PID PD1 NK1 GT1 IN1 IN2 IN3 CON ACC DG1 DRG AL1 PR1 ORC OBX PV1 PV2 NTE"
	name, _, _ := strings.Cut(key, " ")
	if i := strings.Index(order, name); i >= 0 {
		return i
	}
	return len(order)
}
