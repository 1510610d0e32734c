package csv

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// A melter turns rows that hold several points of time in columns with a prefix
// (baseline_score, follow_up_score) into a record for each point.
type melter struct {
	wide  *codec.Wide
	yield func(*codec.Doc, []fhir.Issue) bool
	known bool
	cols  []wideColumn // by child of the record
	out   *codec.Doc
}

// A wideColumn says what a column of the file is: of a point of time (from 1),
// or shared by all (0). Plain is one that also stands there with a prefix.
type wideColumn struct {
	id    codec.ID
	point int
	name  string
	plain bool
}

// melt returns the yield that takes rows apart.
func melt(wide *codec.Wide, yield func(*codec.Doc, []fhir.Issue) bool) func(*codec.Doc, []fhir.Issue) bool {
	m := &melter{wide: wide, yield: yield, out: codec.NewDoc()}
	return m.row
}

func (m *melter) row(d *codec.Doc, faults []fhir.Issue) bool {
	if !m.known {
		m.columns(d)
		m.known = true
	}
	if m.cols == nil || len(faults) > 0 {
		return m.yield(d, faults)
	}
	made := false
	for i := range m.wide.Points {
		if !m.point(d, i+1) {
			continue
		}
		made = true
		if !m.yield(m.out, nil) {
			return false
		}
	}
	if made && !m.alone(d) {
		return true
	}
	return m.yield(d, nil) // nothing of a row goes quiet
}

// columns finds the columns with a prefix; none, and every row is one record.
func (m *melter) columns(d *codec.Doc) {
	var cols []wideColumn
	prefixed := map[string]bool{}
	for c := d.First(codec.Root); c != codec.None; c = d.Next(c) {
		col := wideColumn{id: c, name: d.Name(c)}
		for i, p := range m.wide.Points {
			if name, ok := strings.CutPrefix(col.name, p.Prefix); ok {
				col.point, col.name = i+1, name
				prefixed[name] = true
				break
			}
		}
		cols = append(cols, col)
	}
	if len(prefixed) == 0 {
		return
	}
	for i := range cols {
		cols[i].plain = cols[i].point == 0 && (prefixed[cols[i].name] || cols[i].name == m.wide.Column)
	}
	m.cols = cols
}

// point fills the record of one point of time; false when the row has nothing
// of it.
func (m *melter) point(d *codec.Doc, point int) bool {
	m.out.Reset()
	m.out.Row, m.out.Prefix = d.Row, m.wide.Points[point-1].Prefix
	some := false
	for _, c := range m.cols {
		if c.plain || c.point != 0 && c.point != point {
			continue
		}
		id := m.out.Add(codec.Root, codec.Step{Name: c.name}, d.Text(c.id))
		if c.point == point {
			m.out.SetOrdinal(id, 1)
			some = some || strings.TrimSpace(d.Text(c.id)) != ""
		}
	}
	m.out.Add(codec.Root, codec.Step{Name: m.wide.Column}, m.wide.Points[point-1].Value)
	return some
}

// alone reports whether the row also holds a point of its own, in columns
// without a prefix.
func (m *melter) alone(d *codec.Doc) bool {
	for _, c := range m.cols {
		if c.plain && strings.TrimSpace(d.Text(c.id)) != "" {
			return true
		}
	}
	return false
}
