package hl7v2

import (
	"bytes"
	"errors"
	"testing"
	"unicode/utf8"

	"trellis.example/fhir"
)

// FuzzParse checks what must hold for any bytes: no panic, only our error
// type, every value valid UTF-8 with a place that leads back to it, and a
// message printed and read again is the same message.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("MSH|^~\\&#|A|B|C|D|||REF^I12|1|P|2.7||||||8859/1\nPID|\xe9\\XE9\\~a&b^\"\"|\r\n\r\nZZZ\r"))
	f.Add([]byte("MSH#*!?%#APP\rPID#1##77*A!88*B#a?S?b?F?c\\"))
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := Parse(bytes.Clone(in))
		if err != nil {
			if _, ok := errors.AsType[*fhir.Error](err); !ok {
				t.Fatalf("error is %T, want *fhir.Error", err)
			}
			return
		}
		walk(t, m)
		printed := m.Bytes()
		again, err := Parse(bytes.Clone(printed))
		if err != nil {
			t.Fatalf("the printed message is refused: %v", err)
		}
		if !bytes.Equal(again.Bytes(), printed) {
			t.Errorf("print, parse, print differs:\n%q\n%q", printed, again.Bytes())
		}
		rewrite(t, m)
	})
}

func walk(t *testing.T, m *Message) {
	for i := range m.Len() {
		s := m.Segment(i)
		for n := 1; n <= s.Len(); n++ {
			for r := range s.Field(n).Len() {
				v := s.Field(n).Rep(r).Component(1).Sub(1)
				if !utf8.ValidString(v.Text()) {
					t.Fatalf("%s is not UTF-8", v.Place())
				}
				if p, ok := ParsePath(v.Place()); !ok || i < 50 && !bytes.Equal(m.At(p).Raw(), v.Raw()) {
					t.Fatalf("%s does not lead back to its value", v.Place())
				}
			}
		}
	}
}

// rewrite writes every text through a Writer and reads it back.
func rewrite(t *testing.T, m *Message) {
	w := NewWriter(Standard(), UTF8)
	w.Segment("MSH")
	w.Put(18, string(UTF8))
	for i := 1; i < m.Len(); i++ {
		w.Segment(m.Segment(i).Name())
		for n := 1; n <= m.Segment(i).Len(); n++ {
			w.Copy(n, m.Segment(i).Field(n).Rep(0))
		}
	}
	again, err := Parse(w.Bytes())
	if err != nil {
		t.Fatalf("the rewritten message is refused: %v", err)
	}
	for i := 1; i < m.Len(); i++ {
		for n := 1; n <= m.Segment(i).Len(); n++ {
			want, got := m.Segment(i).Field(n).Rep(0), again.Segment(i).Field(n).Rep(0)
			if got.Component(1).Sub(1).Text() != want.Component(1).Sub(1).Text() || got.IsNull() != want.IsNull() {
				t.Fatalf("%s changed", want.Place())
			}
		}
	}
}
