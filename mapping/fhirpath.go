package mapping

import (
	"errors"
	"regexp"
	"strings"
)

// An fstep is one step of a rule's place in a resource: "name[0]",
// "identifier[nhs]", "note[*]", "birthDate".
type fstep struct {
	key   string
	array bool
	slot  string // "0", "nhs", "" for [*]
	star  bool
}

var fstepPattern = regexp.MustCompile(`^(_?[a-z][A-Za-z0-9]*)(?:\[([0-9]{1,2}|[a-z][a-z0-9-]*)?(\*)?\])?$`)

func parseFHIRPath(s string) ([]fstep, error) {
	var out []fstep
	for part := range strings.SplitSeq(s, ".") {
		m := fstepPattern.FindStringSubmatch(part)
		if m == nil || strings.HasSuffix(part, "[]") || m[2] != "" && m[2][0] <= '9' && m[3] != "" {
			return nil, errors.New("fhir: expected steps such as birthDate, name[0], identifier[nhs] or note[*], joined by dots")
		}
		out = append(out, fstep{key: m[1], array: strings.HasSuffix(part, "]"), slot: m[2], star: m[3] != ""})
	}
	return out, nil
}

// positional reports whether the step is an index rather than a name.
func (s fstep) positional() bool { return s.slot != "" && s.slot[0] <= '9' }

// index is the position of a positional step: one or two digits.
func (s fstep) index() int {
	i := 0
	for _, c := range []byte(s.slot) {
		i = i*10 + int(c-'0')
	}
	return i
}

// expression is the FHIRPath of steps within a resource of type typ, without
// the names of slots, which are the map's own.
func expression(typ string, steps []fstep) string {
	var b strings.Builder
	b.WriteString(typ)
	for _, s := range steps {
		b.WriteByte('.')
		b.WriteString(s.key)
		if s.positional() {
			b.WriteString("[" + s.slot + "]")
		}
	}
	return b.String()
}
