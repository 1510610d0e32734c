// Package packed is how a SQLite store packs what it keeps in a column: the
// access of a key, the index entries of a version, the audit entries of a group
// of commits. Parsing what another version or a damaged disk left behind never
// panics and never asks for more memory than the input warrants.
package packed

import (
	"encoding/binary"
	"errors"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
)

// Packed values are sequences of uvarints, varints and length-prefixed
// strings. Those that are kept for long begin with a format number.

// ErrDamaged reports bytes that are no packed value.
var ErrDamaged = errors.New("damaged record")

// PutString appends a string behind its length.
func PutString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func putStrings(b []byte, ss []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(ss)))
	for _, s := range ss {
		b = PutString(b, s)
	}
	return b
}

// An unpacker reads packed bytes; after the first fault it yields zeros.
type unpacker struct {
	b   []byte
	bad bool
}

func (u *unpacker) fail() { u.b, u.bad = nil, true }

func (u *unpacker) uint() uint64 {
	n, size := binary.Uvarint(u.b)
	if size <= 0 {
		u.fail()
		return 0
	}
	u.b = u.b[size:]
	return n
}

func (u *unpacker) int() int64 {
	n, size := binary.Varint(u.b)
	if size <= 0 {
		u.fail()
		return 0
	}
	u.b = u.b[size:]
	return n
}

func (u *unpacker) bytes() []byte {
	n := u.uint()
	if n > uint64(len(u.b)) {
		u.fail()
		return nil
	}
	s := u.b[:n]
	u.b = u.b[n:]
	return s
}

func (u *unpacker) string() string { return string(u.bytes()) }

// count reads the length of a list, whose elements take at least a byte each.
func (u *unpacker) count() int {
	n := u.uint()
	if n > uint64(len(u.b)) {
		u.fail()
		return 0
	}
	return int(n)
}

func (u *unpacker) strings() []string {
	n := u.count()
	if n == 0 {
		return nil
	}
	ss := make([]string, n)
	for i := range ss {
		ss[i] = u.string()
	}
	return ss
}

// end returns ErrDamaged unless all was read without fault.
func (u *unpacker) end() error {
	if u.bad || len(u.b) != 0 {
		return ErrDamaged
	}
	return nil
}

// Access packs an access.
func Access(a auth.Access) []byte {
	b := PutString(make([]byte, 0, 64), a.Owner)
	return putStrings(putStrings(b, a.Parties), a.Labels)
}

// ParseAccess reads a packed access.
func ParseAccess(b []byte) (auth.Access, error) {
	u := unpacker{b: b}
	a := auth.Access{Owner: u.string(), Parties: u.strings(), Labels: u.strings()}
	return a, u.end()
}

// AuditFormat is the first byte of a packed group of audit entries.
const AuditFormat = 1

// Audit appends a packed entry to a group, which begins with AuditFormat.
func Audit(b []byte, e audit.Entry) []byte {
	b = binary.AppendVarint(b, e.At.UnixMilli())
	for _, s := range [...]string{string(e.Action), e.Interaction, e.Outcome, e.Client, e.Party, e.Role, e.Address, e.RequestID} {
		b = PutString(b, s)
	}
	b = putStrings(putStrings(b, e.Entities), e.Patients)
	return binary.AppendVarint(b, int64(e.Count))
}

// ParseAudit reads the group of packed entries of a commit.
func ParseAudit(seq int64, b []byte) ([]audit.Record, error) {
	if len(b) == 0 || b[0] != AuditFormat {
		return nil, ErrDamaged
	}
	var rs []audit.Record
	u := unpacker{b: b[1:]}
	for n := 0; len(u.b) > 0; n++ {
		r := audit.Record{Seq: seq, N: n}
		r.At = time.UnixMilli(u.int()).UTC()
		r.Action = audit.Action(u.string())
		for _, s := range [...]*string{&r.Interaction, &r.Outcome, &r.Client, &r.Party, &r.Role, &r.Address, &r.RequestID} {
			*s = u.string()
		}
		r.Entities, r.Patients = u.strings(), u.strings()
		r.Count = int(u.int())
		rs = append(rs, r)
	}
	return rs, u.end()
}
