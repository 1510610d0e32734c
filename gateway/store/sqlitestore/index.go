package sqlitestore

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"trellis.example/auth"
	"trellis.example/gateway/store"
	"trellis.example/gateway/store/sqlitestore/packed"
)

// everyone is the party under which a common entry is found by a view that is
// limited to none. A real party cannot have this name: it is no valid text.
const everyone = "\xff"

// typeParam is the parameter of the entry by which a type alone is searched;
// pastParam that of the versions which no search finds any more, for histories:
// deletions, and what was replaced longer ago than snapshots are kept.
const (
	typeParam = "_type"
	pastParam = "_past"
)

// hash64 returns a truncated hash of strings.
func hash64(parts ...string) uint64 {
	buf := make([]byte, 0, 192)
	for _, p := range parts {
		buf = packed.PutString(buf, p)
	}
	sum := sha256.Sum256(buf)
	return binary.LittleEndian.Uint64(sum[:])
}

// A term is what index rows are found by: 64 bits of hashes. Rows are only
// candidates, compared with the version's own entries before they count, so
// that two terms which meet in one number do no harm.
//
// Its upper bits come from what rows are written together with: the party of a
// common entry (party is not ""), the value of a selective one. A commit then
// touches few pages of the index.
func term(typ, party, param, kind, value string) int64 {
	if party == "" {
		return join(hash64(typ, value), hash64(param, kind), 40)
	}
	return join(hash64(typ, party), hash64(param, kind, value), 24)
}

// join makes a number of the upper bits of one hash and the lower of another.
func join(upper, lower uint64, bits int) int64 {
	return int64(upper>>(64-bits)<<(64-bits) | lower&(1<<(64-bits)-1))
}

// kindNames are the kinds as they enter a term. Tokens are found by their
// value, the system is compared afterwards; quantities by their number.
var kindNames = [...]string{
	store.Token: "t", store.Reference: "r", store.Date: "d", store.Text: "x", store.URI: "u",
	store.Number: "n", store.Quantity: "q", store.Point: "p",
}

func kindName(k store.Kind) string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

// rows are the index rows of one version.
type rows struct {
	exact []int64
	dates []dateRow
	texts []textRow
}

// A dateRow is a range's row: high is its end or, under the term of a width by
// its low end, its beginning.
type dateRow struct{ h, high int64 }

type textRow struct {
	h     int64
	value string
}

// indexParties returns the parties under which common entries are stored.
func indexParties(a auth.Access) []string { return append(slices.Clone(a.Parties), everyone) }

// indexRows returns the rows of a version that is no deletion: those of
// selective entries once, those of common ones once for each party.
func indexRows(typ string, parties []string, index []store.Index) rows {
	r := rows{exact: partyTerms(typ, parties, typeParam)}
	once := []string{""}
	for _, i := range index {
		if i.Silent {
			continue
		}
		under := once
		if i.Common {
			under = parties
		}
		for _, p := range under {
			r.add(typ, p, i)
		}
	}
	slices.Sort(r.exact)
	r.exact = slices.Compact(r.exact)
	return r
}

// pastRows returns the rows of a version that only histories and scans find.
func pastRows(typ string, parties []string) rows {
	r := rows{exact: partyTerms(typ, parties, pastParam)}
	slices.Sort(r.exact)
	return r
}

func partyTerms(typ string, parties []string, param string) []int64 {
	hs := make([]int64, 0, len(parties)+16)
	for _, p := range parties {
		hs = append(hs, term(typ, p, param, "", ""))
	}
	return hs
}

func (r *rows) add(typ, party string, i store.Index) {
	switch i.Kind {
	case store.Date, store.Number, store.Quantity:
		r.dates = append(r.dates, rangeRows(typ, party, i)...)
	case store.Text:
		r.texts = append(r.texts, textRow{term(typ, party, i.Param, kindName(i.Kind), ""), i.Value})
	case store.Point:
		for _, c := range i.Cells() {
			r.exact = append(r.exact, term(typ, party, i.Param, kindName(i.Kind), c))
		}
	default:
		r.exact = append(r.exact, term(typ, party, i.Param, kindName(i.Kind), i.Value))
	}
}

// viewParties returns the parties whose common entries a view may find.
func viewParties(v auth.View) []string {
	if v.All() {
		return []string{everyone}
	}
	parties := slices.Clone(v.Parties())
	if !slices.Contains(parties, auth.PartyPublic) {
		parties = append(parties, auth.PartyPublic)
	}
	return parties
}

// A posRow is an index row of one position, ready to be inserted.
type posRow struct{ h, pos int64 }

func comparePosRows(a, b posRow) int {
	return cmp.Or(cmp.Compare(a.h, b.h), cmp.Compare(a.pos, b.pos))
}

// Positions. Every version has a position, larger for what comes earlier in an
// answer's order: the commit number, and within it the ids backwards.
const (
	posBits   = 16
	posMask   = 1<<posBits - 1
	maxWrites = 10_000 // of one commit; a group may hold some more
)

func position(seq int64, ordinal int) int64 { return seq<<posBits | int64(posMask-ordinal) }

func seqOf(pos int64) int64 { return pos >> posBits }

// rankOf is what the versions of one group are ordered by: the id, then the
// type. An id has no zero byte.
func rankOf(k store.Key) string { return k.ID + "\x00" + k.Type }

// ordinals gives each key its rank, so that positions are in the order of an
// answer. Several versions of one key are ranked backwards: the newest has the
// largest position.
func ordinals(ids []string) []int {
	order := make([]int, len(ids))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(strings.Compare(ids[a], ids[b]), cmp.Compare(b, a)) })
	ranks := make([]int, len(ids))
	for rank, i := range order {
		ranks[i] = rank
	}
	return ranks
}
