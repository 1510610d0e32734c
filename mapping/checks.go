package mapping

import (
	"cmp"

	"trellis.example/fhir"
)

// A check is a compiled entry of not_referral or checks.
type check struct {
	spec  *checkSpec
	group int
	when  []cond
	want  cond
}

// checks compiles not_referral and checks.
func (c *compiler) checks() {
	seen := map[string]bool{}
	for _, r := range c.m.rules {
		seen[r.spec.ID] = true
	}
	add := func(s *checkSpec) *check {
		where := "check " + s.ID
		if seen[s.ID] {
			c.errorf("%s: the id is taken", where)
		}
		seen[s.ID] = true
		g, ok := c.groupIndex[s.Each]
		if !ok {
			c.errorf("%s: there is no group %s", where, s.Each)
		}
		return &check{spec: s, group: g, when: c.conds(where, s.When, g)}
	}
	for i := range c.m.spec.NotReferral {
		c.m.skips = append(c.m.skips, add(&c.m.spec.NotReferral[i]))
	}
	for i := range c.m.spec.Checks {
		s := &c.m.spec.Checks[i]
		k := add(s)
		k.want = c.conds("check "+s.ID, []condition{s.condition}, k.group)[0]
		c.m.checks = append(c.m.checks, k)
	}
}

// skipped reports why the record is no referral; nil when it is one.
func (x *run) skipped() *check {
	for _, k := range x.m.skips {
		if x.holds(k.when, 0) {
			x.issue(k, &k.when[0].source, 0, fhir.SeverityInformation, fhir.Information)
			x.checks()
			return k
		}
	}
	return nil
}

// checks reports what the map asks of the partner's fields and does not hold.
func (x *run) checks() {
	for _, k := range x.m.checks {
		for f := range x.frames {
			if x.frames[f].group == k.group && x.all(k.when, f) && !x.hold(&k.want, f) {
				x.issue(k, &k.want.source, f, fhir.Severity(k.spec.Severity), fhir.BusinessRule)
			}
		}
	}
}

// all reports whether all conditions hold; it uses nothing up.
func (x *run) all(conds []cond, f int) bool {
	for i := range conds {
		if !x.hold(&conds[i], f) {
			return false
		}
	}
	return true
}

func (x *run) issue(k *check, s *source, f int, severity fhir.Severity, code fhir.Code) {
	if len(x.faults) >= maxFaults {
		return
	}
	x.faults = append(x.faults, fhir.Issue{Severity: cmp.Or(severity, fhir.SeverityError), Code: code,
		Text: k.spec.Text, Source: x.place(s, f), Rule: k.spec.ID})
}
