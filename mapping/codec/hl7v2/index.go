package hl7v2

import (
	"bytes"
	"encoding/binary"
)

// index finds the segments and fields and reports whether the text has bytes
// outside ASCII and whether a segment may hold control characters. It leans on
// bytes.IndexByte, which looks at 16 or 32 bytes at a time: a loop over single
// bytes takes five times as long.
func (m *Message) index() (wide, control bool) {
	b := m.text
	cr, lf := next(b, 0, '\r'), next(b, 0, '\n')
	for start := 0; start < len(b); {
		end := min(cr, lf)
		if end > start {
			m.indexSegment(start, end)
			high, low := scan(b[start:end])
			wide, control = wide || high, control || low
		}
		start = end + 1
		if cr < start {
			cr = next(b, start, '\r')
		}
		if lf < start {
			lf = next(b, start, '\n')
		}
	}
	return wide, control
}

// next returns the offset of c at or after from, or len(b).
func next(b []byte, from int, c byte) int {
	if from >= len(b) {
		return len(b)
	}
	if i := bytes.IndexByte(b[from:], c); i >= 0 {
		return from + i
	}
	return len(b)
}

// indexSegment records the segment at text[start:end]. MSH-1 and MSH-2, which
// are themselves separators, begin at its offsets 3 and 4.
func (m *Message) indexSegment(start, end int) {
	first, at := len(m.fields), start
	if len(m.segs) == 0 {
		m.fields = append(m.fields, 3, 4)
		at = 8
	}
	for at < end {
		i := bytes.IndexByte(m.text[at:end], m.sep.Field)
		if i < 0 {
			break
		}
		at += i + 1
		m.fields = append(m.fields, uint32(at))
	}
	m.segs = append(m.segs, segment{
		start: uint32(start), end: uint32(end),
		first: uint32(first), n: uint32(len(m.fields) - first),
	})
}

// scan reports bytes outside ASCII and bytes below the space, eight at a time.
func scan(b []byte) (high, low bool) {
	const top, spaces = 0x8080808080808080, 0x2020202020202020
	var h, l uint64
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		h |= x
		l |= (x - spaces) &^ x
	}
	high, low = h&top != 0, l&top != 0
	for _, c := range b {
		high, low = high || c >= 0x80, low || c < ' '
	}
	return high, low
}

// hasControl reports a control character other than tab.
func (m *Message) hasControl(s *segment) bool {
	for _, c := range m.text[s.start:s.end] {
		if c < ' ' && c != '\t' {
			return true
		}
	}
	return false
}

func isSegmentName(b []byte) bool {
	if len(b) != 3 || b[0] < 'A' || b[0] > 'Z' {
		return false
	}
	for _, c := range b[1:] {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
