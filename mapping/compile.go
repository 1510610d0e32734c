package mapping

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"trellis.example/fhir"
	"trellis.example/mapping/codec"
)

// A Map is a compiled map: a [Format] whose rules are data. It is immutable
// and safe for concurrent use.
type Map struct {
	spec      *spec
	info      Info
	syntax    codec.Syntax
	shape     codec.Shape
	tables    map[string]*table
	tableList []tableSpec
	groups    []*cgroup // groups[0] is the record itself
	instances []*instance
	rules     []*rule
	refs      []*rule
	skips     []*check // not_referral
	checks    []*check
	keys      []source
	heads     map[string]int // numbers, from 1, of the record's children that paths begin with
	runs      sync.Pool
}

// A cgroup is a compiled group.
type cgroup struct {
	name     string
	parent   int
	path     []codec.Step // absolute
	rest     []codec.Step // below the parent's element
	split    string
	all      bool // the elements below those of every parent count
	when     []cond
	rules    []*rule // in the map's order, references excepted
	refs     []*rule
	names    []source
	named    *instance // whose resource has these names
	upRef    *rule     // the reference from an element to the resource of the group around it
	children []int
	values   int // places that the elements of this group have for values
	head     int // as of a source

	// On the way back the group's elements are the resources of homeInst, or
	// the elements homeElem; with neither there is one.
	homeInst *instance
	homeElem *rule // a rule whose innermost star is the group's
}

// A source is a partner path as seen from a group: climb up groups, then
// follow rest.
type source struct {
	path string
	up   int
	rest []codec.Step
	head int // the number of the record's child it begins at; 0: it begins in a group's element
}

type cond struct {
	source
	in, not []string
	present *bool
}

type direction uint8

const (
	inward direction = 1 << iota
	outward
)

// A rule is a compiled rule.
type rule struct {
	spec    *ruleSpec
	dir     direction
	sources []source
	group   int
	firsts  []int // groups of the chain without a star: only their first element counts
	when    []cond
	table   *table
	conv    converter

	sum       []source // what the value is the total of
	joins     bool     // type join
	link      bool     // type link
	raw       bool     // type raw
	isConst   bool
	constText string
	constJSON []byte

	inst   *instance
	ref    *instance // target of a reference
	shared bool      // of a reference: another of the same place points to an instance of the same type
	names  int       // of a link: the group whose elements have names
	steps  []fstep
	path   []*tnode // from below the instance's root to the leaf
	leaf   *tnode
	region int // the group whose elements hold the value; 0 is the record
	expr   string
}

// drops reports whether the rule takes a value on purpose to lose it.
func (r *rule) drops() bool { return r.spec.FHIR == "" && !r.isConst }

// An instance is one resource of the bundle, or one per element of a group.
type instance struct {
	name  string // "Patient:subject"
	typ   string
	star  bool
	group int // whose elements it repeats over; 0 without a star
	bit   uint
	root  *tnode
}

// A Library is where a map finds what it is built from. The zero value knows
// no codec.
type Library struct {
	// Codecs are the syntaxes by the name that maps use.
	Codecs map[string]codec.Syntax
	// Folder opens the folder of another format, for maps that name a base; nil
	// knows none.
	Folder func(id string) (fs.FS, error)
	// Tables holds the code tables that formats share; nil for none.
	Tables fs.FS
	// Known says that a test has checked the files against the published
	// schemas, and that the start of the program need not do it again.
	Known bool
}

// Compile reads map.yaml and tables/*.yaml of fsys and what they build on,
// checks them against the published schemas and compiles them. Every fault of
// the map is in the error.
func Compile(fsys fs.FS, lib Library) (*Map, error) {
	s, tables, err := lib.load(fsys)
	if err != nil {
		return nil, err
	}
	syntax, ok := lib.Codecs[s.Codec]
	if !ok {
		return nil, fmt.Errorf("map %s: there is no codec %q", s.ID, s.Codec)
	}
	m := &Map{spec: s, syntax: syntax, tableList: tables, tables: map[string]*table{}, heads: map[string]int{}}
	m.runs.New = func() any { return &run{m: m} }
	c := &compiler{m: m, groupIndex: map[string]int{}}
	c.tables()
	c.groups()
	if c.errs == nil {
		c.rules()
	}
	if c.errs == nil {
		c.checks()
		c.finish()
	}
	if err := errors.Join(c.errs...); err != nil {
		return nil, fmt.Errorf("map %s: %w", s.ID, err)
	}
	return m, nil
}

type compiler struct {
	m          *Map
	groupIndex map[string]int
	fields     [][]codec.Step // of the format
	errs       []error
}

func (c *compiler) errorf(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

func (c *compiler) tables() {
	for i := range c.m.tableList {
		t, err := compileTable(&c.m.tableList[i])
		if err != nil {
			c.errs = append(c.errs, err)
		}
		c.m.tables[t.spec.ID] = t
	}
}

// groups compiles the groups, parents first.
func (c *compiler) groups() {
	c.m.groups = []*cgroup{{name: "record"}}
	c.groupIndex[""] = 0
	todo := make([]string, 0, len(c.m.spec.Groups))
	for name := range c.m.spec.Groups {
		todo = append(todo, name)
	}
	slices.Sort(todo)
	for len(todo) > 0 {
		rest := todo[:0]
		for _, name := range todo {
			if parent, ok := c.groupIndex[c.m.spec.Groups[name].In]; ok {
				c.group(name, parent)
			} else {
				rest = append(rest, name)
			}
		}
		if len(rest) == len(todo) {
			c.errorf("groups %s: \"in\" names no group, or goes in a circle", strings.Join(rest, ", "))
			return
		}
		todo = rest
	}
}

func (c *compiler) group(name string, parent int) {
	spec := c.m.spec.Groups[name]
	g := &cgroup{name: name, parent: parent, split: spec.Split, all: spec.All}
	i := len(c.m.groups)
	c.groupIndex[name] = i
	c.m.groups = append(c.m.groups, g)
	c.m.groups[parent].children = append(c.m.groups[parent].children, i)
	where := "group " + name
	steps := c.path(where, spec.Partner)
	up := c.m.groups[parent]
	if parent != 0 && (!hasPrefix(steps, up.path) || len(steps) == len(up.path)) {
		c.errorf("%s: its path must lie below the path of group %s", where, up.name)
		return
	}
	g.path, g.rest = steps, steps[len(up.path):]
	g.head = c.head(parent, g.rest)
	g.when = c.conds(where, spec.When, i)
	for _, n := range spec.Names {
		g.names = append(g.names, c.source(where, n, i))
	}
}

// path compiles a partner path and checks that the format has such a field.
func (c *compiler) path(where, p string) []codec.Step {
	steps, err := c.m.syntax.Path(p)
	if err != nil {
		c.errorf("%s: %s: %w", where, p, err)
		return nil
	}
	if c.fields == nil {
		for _, f := range c.m.spec.Fields {
			if field, err := c.m.syntax.Path(f); err == nil {
				c.fields = append(c.fields, field)
			}
		}
	}
	for _, field := range c.fields {
		if hasPrefix(steps, field) || hasPrefix(field, steps) {
			return steps
		}
	}
	c.errorf("%s: %s is not among the fields of the format", where, p)
	return steps
}

func hasPrefix(steps, prefix []codec.Step) bool {
	return len(steps) >= len(prefix) && slices.EqualFunc(steps[:len(prefix)], prefix,
		func(a, b codec.Step) bool { return a.Name == b.Name })
}

// source binds a path to the innermost group of the chain that it lies in.
func (c *compiler) source(where, p string, group int) source {
	steps := c.path(where, p)
	for up := 0; ; up++ {
		g := c.m.groups[group]
		if group == 0 || hasPrefix(steps, g.path) {
			rest := steps[len(g.path):]
			if g.split != "" && len(rest) > 0 {
				c.errorf("%s: %s lies inside a part of a split list", where, p)
			}
			return source{path: p, up: up, rest: rest, head: c.head(group, rest)}
		}
		group = g.parent
	}
}

// head numbers the record's child that a path of the record begins with.
func (c *compiler) head(group int, rest []codec.Step) int {
	if group != 0 || len(rest) == 0 {
		return 0
	}
	n, ok := c.m.heads[rest[0].Name]
	if !ok {
		n = len(c.m.heads) + 1
		c.m.heads[rest[0].Name] = n
	}
	return n
}

func (c *compiler) conds(where string, specs []condition, group int) []cond {
	out := make([]cond, 0, len(specs))
	for _, s := range specs {
		out = append(out, cond{source: c.source(where, s.Partner, group), in: s.In, not: s.Not, present: s.Present})
	}
	return out
}

// chain lists the groups around a rule, outermost first.
func (m *Map) chain(group int) []int {
	var out []int
	for ; group != 0; group = m.groups[group].parent {
		out = append(out, group)
	}
	slices.Reverse(out)
	return out
}

// finish compiles what needs all rules: keys, recognition, the shape.
func (c *compiler) finish() {
	m := c.m
	for _, k := range m.spec.Key {
		m.keys = append(m.keys, c.source("key", k, 0))
	}
	m.shape.Fields, m.shape.Record = m.spec.Fields, m.spec.Record
	m.shape.Namespaces = m.spec.Namespaces
	if w := m.spec.Wide; w != nil {
		m.shape.Wide = &codec.Wide{Column: w.Column, Points: w.Points}
	}
	for _, r := range m.rules {
		if r.spec.Required && r.group == 0 && len(r.sources) == 1 {
			m.shape.Required = append(m.shape.Required, r.sources[0].path)
		}
	}
	for _, inst := range m.instances {
		inst.root.finish()
	}
	c.homes()
	c.upRefs()
	c.sharedRefs()
	c.checkInverse()
	in, out := false, false
	for _, r := range m.rules {
		if r.inst != nil && !r.isConst && r.ref == nil {
			in, out = in || r.dir&inward != 0, out || r.dir&outward != 0
		}
	}
	m.info = m.spec.info()
	m.info.In, m.info.Out = in, out
}

// homes finds what each group's elements are on the way back.
func (c *compiler) homes() {
	for _, r := range c.m.rules {
		if r.inst == nil {
			continue
		}
		for n := r.leaf; n.parent != nil; n = n.parent {
			r.path = append(r.path, n)
		}
		slices.Reverse(r.path)
		if g := c.m.groups[r.inst.group]; r.inst.star && g.homeInst == nil {
			g.homeInst = r.inst
		}
		if g := c.m.groups[r.region]; r.region != 0 && g.homeElem == nil && r.ref == nil && r.dir&outward != 0 && r.region != r.inst.group {
			g.homeElem = r
		}
	}
}

// Info describes the format.
func (m *Map) Info() Info { return m.info }

// Name is the map's id and version, as Provenance shows them: "ppn-csv 1.0.0".
func (m *Map) Name() string { return m.info.ID + " " + m.info.Version }

// quoteConst returns a constant's JSON and its text.
func quoteConst(v any) ([]byte, string) {
	if s, ok := v.(string); ok {
		return fhir.AppendString(nil, s), s
	}
	s := fmt.Sprint(v)
	return []byte(s), s
}
