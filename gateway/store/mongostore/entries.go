package mongostore

import (
	"encoding/binary"
	"fmt"

	"trellis.example/gateway/store"
)

// Entries are kept with the version as one binary field, so that whatever the
// database cannot compare is compared here. The field begins with its format;
// every entry is a byte of kind and flags, its parameter, system and value, and
// what the flags announce. A string is a number: twice its length and then its
// bytes, or, odd, the place of an equal string that came before.
const (
	entryFormat = 1

	entryKind   = 0x0f
	entryCommon = 0x10
	entrySilent = 0x20
	entryRange  = 0x40
	entryGroup  = 0x80
)

type packer struct {
	b    []byte
	seen map[string]uint64
}

func packEntries(all []store.Index) []byte {
	p := packer{b: append(make([]byte, 0, 64*len(all)+1), entryFormat), seen: map[string]uint64{}}
	for i := range all {
		p.add(&all[i])
	}
	return p.b
}

func (p *packer) add(e *store.Index) {
	head := byte(e.Kind) & entryKind
	flag := func(on bool, bit byte) {
		if on {
			head |= bit
		}
	}
	flag(e.Common, entryCommon)
	flag(e.Silent, entrySilent)
	flag(e.Low != 0 || e.High != 0, entryRange)
	flag(e.Group != 0, entryGroup)
	p.b = append(p.b, head)
	p.text(e.Param)
	p.text(e.System)
	p.text(e.Value)
	if head&entryRange != 0 {
		p.b = binary.AppendVarint(binary.AppendVarint(p.b, e.Low), e.High-e.Low) // wraps round and back
	}
	if head&entryGroup != 0 {
		p.b = binary.AppendVarint(p.b, int64(e.Group))
	}
}

func (p *packer) text(s string) {
	if n, ok := p.seen[s]; ok {
		p.b = binary.AppendUvarint(p.b, 2*n+1)
		return
	}
	p.seen[s] = uint64(len(p.seen))
	p.b = append(binary.AppendUvarint(p.b, 2*uint64(len(s))), s...)
}

type unpacker struct {
	b    []byte
	seen []string
	bad  bool
}

// unpackEntries reads what packEntries wrote. Nothing at all, as a version has
// that is no longer searched for, is no entries.
func unpackEntries(b []byte) ([]store.Index, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if b[0] != entryFormat {
		return nil, fmt.Errorf("%w: a version's entries are of another format", store.ErrUnavailable)
	}
	u := unpacker{b: b[1:]}
	var out []store.Index
	for len(u.b) > 0 {
		out = append(out, u.entry())
	}
	if u.bad {
		return nil, fmt.Errorf("%w: a version's entries are damaged", store.ErrUnavailable)
	}
	return out, nil
}

func (u *unpacker) entry() store.Index {
	head := u.b[0]
	u.b = u.b[1:]
	e := store.Index{
		Kind: store.Kind(head & entryKind), Common: head&entryCommon != 0, Silent: head&entrySilent != 0,
		Param: u.text(), System: u.text(), Value: u.text(),
	}
	if head&entryRange != 0 {
		e.Low = u.varint()
		e.High = e.Low + u.varint()
	}
	if head&entryGroup != 0 {
		e.Group = int(u.varint())
	}
	return e
}

func (u *unpacker) fail() { u.b, u.bad = nil, true }

func (u *unpacker) varint() int64 {
	n, size := binary.Varint(u.b)
	if size <= 0 {
		u.fail()
		return 0
	}
	u.b = u.b[size:]
	return n
}

func (u *unpacker) text() string {
	n, size := binary.Uvarint(u.b)
	if size <= 0 {
		u.fail()
		return ""
	}
	u.b = u.b[size:]
	known, n := n&1 == 1, n/2
	switch {
	case known && n < uint64(len(u.seen)):
		return u.seen[n]
	case known || n > uint64(len(u.b)):
		u.fail()
		return ""
	}
	s := string(u.b[:n])
	u.b = u.b[n:]
	u.seen = append(u.seen, s)
	return s
}
