package packed

import (
	"encoding/binary"
	"math"

	"trellis.example/gateway/store"
)

// The flags of a packed entry, below its kind.
const (
	entryCommon = 1 << iota
	entrySilent
	entryGroup
	entrySystem
	entryRange
	entryFlags = 5 // how many
)

// entriesFormat is the present format of packed entries. It stands behind a
// zero: the first format has no number and begins with how many parties there
// are, and only a deletion has none.
const entriesFormat = 2

// Entries packs what a version was indexed by: the parties for whom, and
// the entries.
func Entries(parties []string, index []store.Index) []byte {
	b := append(make([]byte, 0, 64+64*len(index)), 0, entriesFormat)
	b = binary.AppendUvarint(putStrings(b, parties), uint64(len(index)))
	for _, i := range index {
		b = putEntry(b, i)
	}
	return b
}

func putEntry(b []byte, i store.Index) []byte {
	b = PutString(binary.AppendUvarint(b, uint64(i.Kind)<<entryFlags|flagsOf(i)), i.Param)
	b = PutString(b, i.Value)
	if i.Group != 0 {
		b = binary.AppendVarint(b, int64(i.Group))
	}
	if i.System != "" {
		b = PutString(b, i.System)
	}
	if i.Low != 0 || i.High != 0 {
		b = binary.AppendVarint(binary.AppendVarint(b, i.Low), i.High)
	}
	return b
}

func flagsOf(i store.Index) (flags uint64) {
	for n, set := range [entryFlags]bool{i.Common, i.Silent, i.Group != 0, i.System != "", i.Low != 0 || i.High != 0} {
		if set {
			flags |= 1 << n
		}
	}
	return flags
}

// ParseEntries reads what Entries packed, in this format or the first.
func ParseEntries(b []byte) (parties []string, index []store.Index, err error) {
	if len(b) == 0 || b[0] != 0 || len(b) == 1 {
		return parseFirstEntries(b)
	}
	if b[1] != entriesFormat {
		return nil, nil, ErrDamaged
	}
	t := texts{all: string(b[2:])}
	parties = t.strings()
	if n := t.count(3); n > 0 {
		index = make([]store.Index, n)
		for i := range index {
			index[i] = t.entry()
		}
	}
	return parties, index, t.end()
}

// SomeEntries reads what Entries packed as far as it was indexed by the
// parameters: a search looks at few of the entries of many versions.
func SomeEntries(b []byte, params []string) (index []store.Index, err error) {
	if len(b) == 0 || b[0] != 0 || len(b) == 1 {
		_, index, err = parseFirstEntries(b)
		return index, err
	}
	if b[1] != entriesFormat {
		return nil, ErrDamaged
	}
	u := unpacker{b: b[2:]}
	for range u.count() {
		u.bytes() // a party
	}
	for range u.count() {
		if u.bad {
			break
		}
		if i, ok := u.entry(params); ok {
			index = append(index, i)
		}
	}
	return index, u.end()
}

// entry reads an entry, and makes it if it is one of the parameters'.
func (u *unpacker) entry(params []string) (i store.Index, ok bool) {
	head := u.uint()
	if head>>entryFlags > math.MaxUint8 {
		u.fail()
	}
	name, value := u.bytes(), u.bytes()
	for _, p := range params {
		if string(name) == p {
			i.Param, ok = p, true
			break
		}
	}
	if ok {
		i.Kind, i.Common, i.Silent = store.Kind(head>>entryFlags), head&entryCommon != 0, head&entrySilent != 0
		i.Value = string(value)
	}
	if head&entryGroup != 0 {
		i.Group = int(u.int())
	}
	if head&entrySystem != 0 {
		if system := u.bytes(); ok {
			i.System = string(system)
		}
	}
	if head&entryRange != 0 {
		i.Low, i.High = u.int(), u.int()
	}
	return i, ok
}

// texts reads packed bytes as an unpacker does, out of one string: what it
// yields are pieces of it, so that entries cost one piece of memory.
type texts struct {
	all string
	bad bool
}

func (t *texts) fail() { t.all, t.bad = "", true }

func (t *texts) uint() (n uint64) {
	for i := range min(len(t.all), binary.MaxVarintLen64) {
		c := t.all[i]
		if i == binary.MaxVarintLen64-1 && c > 1 {
			break
		}
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			t.all = t.all[i+1:]
			return n
		}
	}
	t.fail()
	return 0
}

func (t *texts) int() int64 {
	n := t.uint()
	return int64(n>>1) ^ -int64(n&1)
}

func (t *texts) string() string {
	n := t.uint()
	if n > uint64(len(t.all)) {
		t.fail()
		return ""
	}
	s := t.all[:n]
	t.all = t.all[n:]
	return s
}

// count reads the length of a list, whose elements take at least size bytes
// each.
func (t *texts) count(size int) int {
	n := t.uint()
	if n > uint64(len(t.all)/size) {
		t.fail()
		return 0
	}
	return int(n)
}

func (t *texts) strings() []string {
	n := t.count(1)
	if n == 0 {
		return nil
	}
	ss := make([]string, n)
	for i := range ss {
		ss[i] = t.string()
	}
	return ss
}

func (t *texts) entry() store.Index {
	head := t.uint()
	i := store.Index{
		Kind: store.Kind(head >> entryFlags), Common: head&entryCommon != 0, Silent: head&entrySilent != 0,
		Param: t.string(), Value: t.string(),
	}
	if head>>entryFlags > math.MaxUint8 {
		t.fail()
	}
	if head&entryGroup != 0 {
		i.Group = int(t.int())
	}
	if head&entrySystem != 0 {
		i.System = t.string()
	}
	if head&entryRange != 0 {
		i.Low, i.High = t.int(), t.int()
	}
	return i
}

func (t *texts) end() error {
	if t.bad || t.all != "" {
		return ErrDamaged
	}
	return nil
}

// parseFirstEntries reads the first format, which knew five kinds.
func parseFirstEntries(b []byte) (parties []string, index []store.Index, err error) {
	u := unpacker{b: b}
	parties = u.strings()
	for len(u.b) > 0 {
		kind := u.uint()
		i := store.Index{Kind: store.Kind(kind >> 1), Common: kind&1 == 1, Param: u.string()}
		switch i.Kind {
		case store.Date:
			i.Low, i.High = u.int(), u.int()
		case store.Token:
			i.System, i.Value = u.string(), u.string()
		default:
			i.Value = u.string()
		}
		index = append(index, i)
	}
	return parties, index, u.end()
}
