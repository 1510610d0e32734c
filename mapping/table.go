package mapping

import (
	"errors"
	"fmt"
	"strings"

	"trellis.example/fhir"
)

// A table is a code table compiled for both directions.
type table struct {
	spec    *tableSpec
	byText  map[string]*tableRow
	byCode  map[string]*tableRow // system|code to the row that is the way back
	unknown problem
}

// compileTable refuses a partner's code with two meanings and a FHIR code with
// no single way back.
func compileTable(s *tableSpec) (*table, error) {
	t := &table{spec: s, byText: map[string]*tableRow{}, byCode: map[string]*tableRow{}}
	t.unknown = problem{fhir.CodeInvalid, "expected " + s.values()}
	backs, seen := map[string]int{}, map[string]bool{}
	var errs []error
	for i := range s.Rows {
		row := &s.Rows[i]
		if row.System == "" {
			row.System = s.System
		}
		text, code := t.fold(row.Partner), row.System+"|"+row.Code
		if t.byText[text] != nil {
			errs = append(errs, fmt.Errorf("table %s: %q has two meanings", s.ID, row.Partner))
		}
		t.byText[text] = row
		seen[code] = true
		if row.Reverse == nil || *row.Reverse {
			backs[code]++
			t.byCode[code] = row
		}
	}
	for code := range seen {
		if backs[code] != 1 {
			errs = append(errs, fmt.Errorf("table %s: %q needs exactly one row that is the way back; mark the others reverse: false", s.ID, code))
		}
	}
	return t, errors.Join(errs...)
}

// values says which values the table knows; a long table is named only.
func (s *tableSpec) values() string {
	const listed = 20
	if len(s.Rows) > listed {
		return fmt.Sprintf("one of the %d values of table %s %s", len(s.Rows), s.ID, s.Version)
	}
	var list []string
	for _, row := range s.Rows {
		if row.Reverse == nil || *row.Reverse {
			list = append(list, row.Partner)
		}
	}
	return "one of: " + strings.Join(list, ", ") + fmt.Sprintf(" (table %s %s)", s.ID, s.Version)
}

func (t *table) fold(s string) string {
	if t.spec.IgnoreCase {
		return strings.ToLower(s)
	}
	return s
}

// find returns the row for a partner's value, or the verdict on its absence.
func (t *table) find(s string) (*tableRow, verdict) {
	if t.spec.Until != "" {
		s, _, _ = strings.Cut(s, t.spec.Until)
		s = strings.TrimSpace(s)
	}
	row := t.byText[s]
	if row == nil {
		row = t.byText[t.fold(s)]
	}
	switch {
	case row != nil:
		return row, verdict{loss: row.Loss}
	case t.spec.Open:
		return nil, verdict{skip: true, loss: "the value is not in table " + t.spec.ID + " " + t.spec.Version + ": no code was written"}
	}
	return nil, verdict{fault: &t.unknown}
}

// back returns the partner's value for a code.
func (t *table) back(system, code string) (string, bool) {
	row := t.byCode[system+"|"+code]
	if row == nil {
		return "", false
	}
	return row.Partner, true
}

// codeType is a code of the rule's table, or any token when it has none.
func codeType(r *rule) (converter, error) {
	t := r.table
	if t == nil {
		return plain(checkCode)(r)
	}
	return converter{
		in: func(dst []byte, s string) ([]byte, verdict) {
			row, v := t.find(s)
			if row == nil {
				return dst, v
			}
			return fhir.AppendString(dst, row.Code), v
		},
		out: func(v fhir.Value) (string, bool) { return t.back(t.spec.System, v.Text()) },
	}, nil
}

// codingType is a Coding of the rule's table.
func codingType(r *rule) (converter, error) {
	t := r.table
	if t == nil {
		return converter{}, errors.New("type coding needs a table")
	}
	rendered := make(map[*tableRow][]byte, len(t.spec.Rows))
	for i := range t.spec.Rows {
		row := &t.spec.Rows[i]
		if row.System == "" {
			return converter{}, fmt.Errorf("table %s has rows without a system", t.spec.ID)
		}
		rendered[row] = fhir.AppendCoding(nil, fhir.Coding{System: row.System, Code: row.Code, Display: row.Display})
	}
	return converter{
		in: func(dst []byte, s string) ([]byte, verdict) {
			row, v := t.find(s)
			if row == nil {
				return dst, v
			}
			return append(dst, rendered[row]...), v
		},
		out: func(v fhir.Value) (string, bool) {
			return t.back(v.Get("system").Text(), v.Get("code").Text())
		},
		object: true,
	}, nil
}
