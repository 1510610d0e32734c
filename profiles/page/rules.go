package page

import (
	"slices"
	"strconv"
	"strings"

	"trellis.example/profiles/snapshot"
)

// rules lists the invariants that this structure and what it builds on state,
// R4's own left out.
func (w *writer) rules() {
	var own, inherited [][4]string
	seen := map[string]bool{}
	for i := range w.st.Elements {
		e := &w.st.Elements[i]
		for _, c := range e.Constraints {
			if strings.HasPrefix(c.Source, core) && c.Source != w.st.URL || seen[c.Key] {
				continue
			}
			seen[c.Key] = true
			row := [4]string{code(c.Key), severity(c), sentence(plain(c.Human)), code(c.Expression)}
			if i > 0 {
				row[2] = code(place(e)) + ": " + row[2]
			}
			if c.Source == w.st.URL || stated(e, c.Key) {
				own = append(own, row)
			} else {
				inherited = append(inherited, row)
			}
		}
	}
	w.ruleTable("Its rules", own)
	w.ruleTable("Rules of what it builds on", inherited)
}

// stated reports whether the structure's own differential states the rule again,
// to make it stricter.
func stated(e *snapshot.Element, key string) bool {
	for c := range e.Diff.Get("constraint").Items() {
		if c.Get("key").Text() == key {
			return true
		}
	}
	return false
}

func (w *writer) ruleTable(title string, rows [][4]string) {
	if len(rows) == 0 {
		return
	}
	w.heading(2, title)
	w.table("Rule", "Weight", "In words", "FHIRPath")
	for _, r := range rows {
		w.row(r[:]...)
	}
	w.end()
}

func severity(c snapshot.Constraint) string {
	if c.Warning {
		return "warning"
	}
	return "**error**"
}

// slices says how the entries of lists are told apart.
func (w *writer) slices() {
	var divided []*snapshot.Element
	for _, e := range w.changed() {
		if e.Slicing != nil && w.sliced(e) && (e.Slicing.Rules != "open" || !strings.HasSuffix(e.Path, "xtension")) { // by url, as all extensions are
			divided = append(divided, e)
		}
	}
	if len(divided) == 0 {
		return
	}
	w.heading(2, "How entries are told apart")
	for _, e := range divided {
		w.item(code(place(e)) + ": by " + discriminators(e.Slicing) + "; " + slicingRules(e.Slicing) + ". " + w.names(e))
	}
	w.end()
}

func (w *writer) sliced(e *snapshot.Element) bool { return len(w.slicesOf(e)) > 0 }

func (w *writer) slicesOf(e *snapshot.Element) []*snapshot.Element {
	var out []*snapshot.Element
	for i := range w.st.Elements {
		s := &w.st.Elements[i]
		if rest, ok := strings.CutPrefix(s.ID, e.ID+":"); ok && !strings.Contains(rest, ".") {
			out = append(out, s)
		}
	}
	return out
}

func (w *writer) names(e *snapshot.Element) string {
	var out []string
	for _, s := range w.slicesOf(e) {
		out = append(out, code(s.SliceName)+" ("+cardinality(s)+")")
	}
	return "Named: " + strings.Join(out, ", ") + "."
}

var discriminatorWord = map[string]string{
	"value": "the value of ", "pattern": "the pattern of ", "exists": "the presence of ", "type": "the type of ", "profile": "the profile of ",
}

func discriminators(s *snapshot.Slicing) string {
	var out []string
	for _, d := range s.Discriminators {
		path := code(d.Path)
		if d.Path == "$this" {
			path = "the entry"
		}
		out = append(out, discriminatorWord[d.Type]+path)
	}
	return strings.Join(out, " and ")
}

func slicingRules(s *snapshot.Slicing) string {
	out := "others may stand beside them"
	switch s.Rules {
	case "closed":
		out = "no others are allowed"
	case "openAtEnd":
		out = "others may follow at the end"
	}
	if s.Ordered {
		out += ", in this order"
	}
	return out
}

// terminology lists the value sets that this structure binds.
func (w *writer) terminology() {
	var list []*snapshot.Element
	for _, e := range w.changed() {
		if e.Binding != nil && e.Binding.ValueSet != "" && e.Diff.Get("binding").Exists() {
			list = append(list, e)
		}
	}
	if len(list) == 0 {
		return
	}
	w.heading(2, "Terminology")
	w.table("Element", "Strength", "Value set", "Codes")
	for _, e := range list {
		set := w.valueSet(e.Binding.ValueSet)
		if e.Binding.Max != "" {
			set += "; never outside " + w.valueSet(e.Binding.Max)
		}
		w.row(code(place(e)), e.Binding.Strength, set, strings.TrimSpace(sentence(plain(e.Binding.Description))+" "+w.listed(e.Binding.ValueSet)))
	}
	w.end()
}

// listed gives the codes of a value set in words.
func (w *writer) listed(valueSet string) string {
	if w.site.codes == nil {
		return ""
	}
	words, total := w.site.codes(valueSet)
	if total == 0 {
		return ""
	}
	for i, s := range words {
		words[i] = plain(s)
	}
	out := strings.Join(words, "; ")
	if total > len(words) {
		out += " … (" + strconv.Itoa(total) + " in all)"
	}
	return out
}

func (w *writer) examples() {
	list := slices.Clone(w.site.examples[w.st.URL])
	if len(list) == 0 {
		return
	}
	w.heading(2, "Examples")
	for _, l := range list {
		w.item("[" + plain(l.Title) + "](" + l.Address + ")")
	}
	w.end()
}
