package mapping

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// maxBases is how many maps may stand on each other.
const maxBases = 8

// load reads a map, what it builds on, and the tables that its rules name: the
// folder's own first, then those of its bases, then the shared ones.
func (lib Library) load(fsys fs.FS) (*spec, []tableSpec, error) {
	chain, err := lib.chain(fsys)
	if err != nil {
		return nil, nil, err
	}
	s := chain[len(chain)-1].spec
	for i := len(chain) - 2; i >= 0; i-- {
		if s, err = chain[i].spec.upon(s); err != nil {
			return nil, nil, fmt.Errorf("map %s: %w", chain[i].spec.ID, err)
		}
	}
	tables, err := lib.tables(s, chain)
	return s, tables, err
}

// A link is one map of a chain of bases with its folder.
type link struct {
	spec *spec
	fsys fs.FS
}

// chain reads a map and its bases, the map first.
func (lib Library) chain(fsys fs.FS) ([]link, error) {
	var out []link
	for {
		s, err := loadSpec(fsys, lib.Known)
		if err != nil {
			return nil, err
		}
		out = append(out, link{s, fsys})
		switch {
		case s.Base == "":
			return out, nil
		case len(out) > maxBases:
			return nil, fmt.Errorf("map %s: more than %d maps stand on each other", out[0].spec.ID, maxBases)
		case lib.Folder == nil:
			return nil, fmt.Errorf("map %s: the base %s cannot be opened here", s.ID, s.Base)
		}
		if fsys, err = lib.Folder(s.Base); err != nil {
			return nil, fmt.Errorf("map %s: base %s: %w", s.ID, s.Base, err)
		}
	}
}

// upon returns the map that results when s changes its base.
func (s *spec) upon(base *spec) (*spec, error) {
	out := *base
	r := renamer{paths: s.Paths, steps: base.Codec != "csv", met: map[string]bool{}}
	out.Key, out.Fields, out.Record = r.all(base.Key), r.all(base.Fields), r.one(base.Record)
	out.Groups = map[string]group{}
	for name, g := range base.Groups {
		g.Partner, g.When, g.Names = r.one(g.Partner), r.conditions(g.When), r.all(g.Names)
		out.Groups[name] = g
	}
	out.Rules = make([]ruleSpec, 0, len(base.Rules)+len(s.Rules))
	for _, rule := range base.Rules {
		rule.Partner, rule.Sources, rule.When = r.one(rule.Partner), r.all(rule.Sources), r.conditions(rule.When)
		rule.Sum = r.all(rule.Sum)
		out.Rules = append(out.Rules, rule)
	}
	out.NotReferral, out.Checks = r.checks(base.NotReferral), r.checks(base.Checks)
	if base.Wide != nil {
		out.Wide = &wideSpec{Column: r.one(base.Wide.Column), Points: base.Wide.Points}
	}
	out.ID, out.Version, out.Base, out.Paths, out.Without = s.ID, s.Version, s.Base, nil, nil
	s.replace(&out)
	err := errors.Join(r.unmet(base.ID), s.change(&out))
	s.prune(&out)
	return &out, err
}

// replace puts what s says of itself in the place of what its base said.
func (s *spec) replace(out *spec) {
	for _, f := range []struct {
		own string
		to  *string
	}{
		{s.Partner, &out.Partner}, {s.PartnerVersion, &out.PartnerVersion}, {s.Status, &out.Status},
		{s.Since, &out.Since}, {s.Codec, &out.Codec}, {s.Receipt, &out.Receipt}, {s.Record, &out.Record}, {s.RecordKey, &out.RecordKey},
	} {
		if f.own != "" {
			*f.to = f.own
		}
	}
	for _, f := range []struct {
		own []string
		to  *[]string
	}{{s.MediaTypes, &out.MediaTypes}, {s.Senders, &out.Senders}, {s.Key, &out.Key}, {s.Fields, &out.Fields}} {
		if len(f.own) > 0 {
			*f.to = f.own
		}
	}
	if len(s.NotReferral) > 0 {
		out.NotReferral = s.NotReferral
	}
	if len(s.Checks) > 0 {
		out.Checks = s.Checks
	}
	if s.Wide != nil {
		out.Wide = s.Wide
	}
	if s.Codec != "" || len(s.Namespaces) > 0 {
		out.Namespaces = s.Namespaces
	}
	if s.Codec != "" { // another syntax has other batches and receipts
		out.Batch, out.Receipt, out.Record = s.Batch, s.Receipt, s.Record
	}
	out.Batch = out.Batch || s.Batch
	maps.Copy(out.Groups, s.Groups)
}

// change removes, replaces and adds rules.
func (s *spec) change(out *spec) error {
	var errs []error
	for _, id := range s.Without {
		n := len(out.Rules)
		out.Rules = slices.DeleteFunc(out.Rules, func(r ruleSpec) bool { return r.ID == id })
		if len(out.Rules) == n {
			errs = append(errs, fmt.Errorf("without: the base has no rule %s", id))
		}
	}
	for _, rule := range s.Rules {
		i := slices.IndexFunc(out.Rules, func(r ruleSpec) bool { return r.ID == rule.ID })
		if i < 0 {
			out.Rules = append(out.Rules, rule)
			continue
		}
		out.Rules[i] = rule
	}
	return errors.Join(errs...)
}

// prune removes the groups of the base over which no rule repeats any more.
func (s *spec) prune(out *spec) {
	used := map[string]bool{}
	use := func(name string) {
		for ; name != "" && !used[name]; name = out.Groups[name].In {
			used[name] = true
		}
	}
	for _, rule := range out.Rules {
		use(rule.Each)
	}
	for _, c := range out.Checks {
		use(c.Each)
	}
	for name := range s.Groups { // a group of the map's own that nothing uses is lint's affair
		use(name)
	}
	maps.DeleteFunc(out.Groups, func(name string, _ group) bool { return !used[name] })
}

// A renamer gives partner paths the names that the derived format has for them.
type renamer struct {
	paths map[string]string
	steps bool // a path below a renamed one follows it
	met   map[string]bool
}

func (r *renamer) one(p string) string {
	best := ""
	for from := range r.paths {
		if len(from) > len(best) && (p == from || r.below(p, from)) {
			best = from
		}
	}
	if best == "" {
		return p
	}
	r.met[best] = true
	return r.paths[best] + p[len(best):]
}

// below reports whether the path lies under another: /name/given under /name,
// PID-5.1 under PID-5.
func (r *renamer) below(p, from string) bool {
	rest, ok := strings.CutPrefix(p, from)
	return ok && r.steps && rest != "" && strings.ContainsRune("/.-@", rune(rest[0]))
}

func (r *renamer) all(list []string) []string {
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = r.one(p)
	}
	return out
}

func (r *renamer) conditions(list []condition) []condition {
	out := slices.Clone(list)
	for i := range out {
		out[i].Partner = r.one(out[i].Partner)
	}
	return out
}

func (r *renamer) checks(list []checkSpec) []checkSpec {
	out := slices.Clone(list)
	for i := range out {
		out[i].Partner, out[i].When = r.one(out[i].Partner), r.conditions(out[i].When)
	}
	return out
}

// unmet refuses names of paths that the base does not have.
func (r *renamer) unmet(base string) error {
	var errs []error
	for _, from := range slices.Sorted(maps.Keys(r.paths)) {
		if !r.met[from] {
			errs = append(errs, fmt.Errorf("paths: %s has no path %s", base, from))
		}
	}
	return errors.Join(errs...)
}

// tables loads the folder's own tables and those elsewhere that a rule names.
func (lib Library) tables(s *spec, chain []link) ([]tableSpec, error) {
	names, err := fs.Glob(chain[0].fsys, "tables/*.yaml")
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var out []tableSpec
	have := map[string]bool{}
	for _, name := range names {
		t, err := loadTable(chain[0].fsys, name, lib.Known)
		if err != nil {
			return nil, err
		}
		out, have[t.ID] = append(out, *t), true
	}
	for _, r := range s.Rules {
		if r.Table == "" || have[r.Table] {
			continue
		}
		have[r.Table] = true
		t, err := lib.elsewhere(r.Table, chain[1:])
		if err != nil {
			return nil, err
		}
		if t != nil {
			out = append(out, *t)
		}
	}
	return out, nil
}

// elsewhere finds a table in the bases' folders or among the shared ones; nil
// when there is none, which the rule's compilation reports.
func (lib Library) elsewhere(id string, bases []link) (*tableSpec, error) {
	for _, b := range bases {
		if t, err := loadTable(b.fsys, "tables/"+id+".yaml", lib.Known); !errors.Is(err, fs.ErrNotExist) {
			return t, err
		}
	}
	if lib.Tables == nil {
		return nil, nil //nolint:nilnil // no table is no error here
	}
	t, err := loadTable(lib.Tables, path.Clean(id+".yaml"), lib.Known)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no table is no error here
	}
	return t, err
}

// info describes the format as far as its file does.
func (s *spec) info() Info {
	i := Info{ID: s.ID, Version: s.Version, Partner: s.Partner, PartnerVersion: s.PartnerVersion, Status: s.Status,
		Batch: s.Batch || s.Codec == "csv", MediaTypes: s.MediaTypes, Senders: s.Senders, Receipt: s.Receipt}
	switch {
	case i.Receipt != "":
	case i.Batch:
		i.Receipt = "csv"
	default:
		i.Receipt = "fhir"
	}
	return i
}
