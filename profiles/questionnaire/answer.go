package questionnaire

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"trellis.example/fhir"
	"trellis.example/profiles/terminology"
)

// node checks one item of the response by itself.
func (k *check) node(n int32) {
	nd := &k.nodes[n]
	it := &k.q.items[nd.item]
	if k.left < 0 {
		return
	}
	if t := nd.v.Get("text"); t.Exists() && it.text != "" && t.Text() != it.text {
		k.warn(t, &ruleText, nd.item, "", "another text")
	}
	if nd.answered && k.enabled(n) == no && (nd.parent == noItem || k.enabled(nd.parent) != no) {
		severity := fhir.SeverityWarning
		if k.final {
			severity = fhir.SeverityError
		}
		k.emit(nd.v, "", severity, &ruleDisabled, nd.item, "", "answers")
	}
	if !nd.answers.Exists() || it.typ != question {
		return
	}
	count := nd.answers.Len()
	switch {
	case count > 1 && !it.repeats:
		k.fault(nd.answers, "", &ruleRepeats, nd.item, "one answer", strconv.Itoa(count)+" answers")
	case it.max > 0 && count > it.max:
		k.fault(nd.answers, "", &ruleOccurs, nd.item, "at most "+strconv.Itoa(it.max), strconv.Itoa(count)+" answers")
	}
	for a := first(nd.answers); a.Exists(); a = a.Next() {
		if v, kind := typed(a, "value"); kind != none {
			k.answer(nd.item, v, kind, count)
		}
	}
	k.fixed(n)
}

// answer checks one value.
func (k *check) answer(i int32, v fhir.Value, kind kind, count int) {
	it := &k.q.items[i]
	if !it.kinds.has(kind) {
		k.fault(v, "", &ruleType, i, it.kinds.String(), kind.class())
		return
	}
	if !kind.fits(v) {
		return // base R4 reports it
	}
	if it.code != "open-choice" || kind != text {
		k.choice(i, v, kind, count)
	}
	if it.limits != nil {
		k.limited(i, it.limits, v, kind)
	}
}

// choice holds an answer against the item's options or value set.
func (k *check) choice(i int32, v fhir.Value, kind kind, count int) {
	it := &k.q.items[i]
	if it.options != nil {
		switch o, ok := it.options.find(kind, v); {
		case !ok:
			k.fault(v, "", &ruleOption, i, "one of its "+strconv.Itoa(it.options.len())+" options", "another answer")
		case o.exclusive && count > 1:
			k.fault(v, "", &ruleExclusive, i, "one answer", strconv.Itoa(count)+" answers")
		}
		return
	}
	if it.set == nil || kind != coding && kind != quantity {
		return
	}
	k.member(i, v, it.set, codeOf(v), &ruleSet)
}

// member checks that a code is in a set.
func (k *check) member(i int32, v fhir.Value, s *set, c code, r *rule) {
	switch s.has(c) {
	case terminology.No:
		k.fault(v, "", r, i, "a code of "+s.name, "another code")
	case terminology.Unknown:
		if k.r.Undecided != nil && s.canonical != "" {
			k.r.Undecided(v, s.canonical, k.q.items[i].line)
			return
		}
		k.warn(v, &ruleUndecided, i, "a code of "+s.name, "a code that cannot be looked up")
	}
}

// limited holds an answer against the limits of its item.
func (k *check) limited(i int32, l *limits, v fhir.Value, kind kind) {
	switch kind {
	case text, uri:
		k.length(i, l, v)
		k.matches(i, l, v)
	case integer, decimal, date, dateTime, clock:
		if l.maxLength > 0 && len(v.Text()) > l.maxLength {
			k.fault(v, "", &ruleMaxLength, i, "at most "+strconv.Itoa(l.maxLength)+" characters", "more")
		}
		k.decimals(i, l, v)
		k.matches(i, l, v)
	case quantity:
		k.decimals(i, l, v.Get("value"))
		k.unit(i, l, v)
	case attachment:
		k.attachment(i, l, v)
	case reference:
		if typ := k.target(v); typ != "" && len(l.resources) > 0 && k.step(len(l.resources)) && !slices.Contains(l.resources, typ) {
			k.fault(v, "", &ruleReference, i, list(l.resources), "a reference to another type")
		}
	}
	k.bounds(i, l, v, kind)
}

func (k *check) length(i int32, l *limits, v fhir.Value) {
	if l.minLength == 0 && l.maxLength == 0 {
		return
	}
	switch n := utf8.RuneCountInString(v.Text()); {
	case n < l.minLength:
		k.fault(v, "", &ruleMinLength, i, "at least "+strconv.Itoa(l.minLength)+" characters", "fewer")
	case l.maxLength > 0 && n > l.maxLength:
		k.fault(v, "", &ruleMaxLength, i, "at most "+strconv.Itoa(l.maxLength)+" characters", "more")
	}
}

func (k *check) matches(i int32, l *limits, v fhir.Value) {
	if l.regex == nil {
		return
	}
	s := v.Text()
	if len(s) > maxMatched {
		k.fault(v, "", &ruleMaxLength, i, "at most "+strconv.Itoa(maxMatched)+" bytes where there is a pattern", "more")
		return
	}
	if k.step(1+len(s)*l.regexSize/8) && !l.regex.MatchString(s) {
		k.fault(v, "", &ruleRegex, i, "", "text of another form")
	}
}

// decimals counts the digits after the point as they are written.
func (k *check) decimals(i int32, l *limits, v fhir.Value) {
	if l.decimals < 0 {
		return
	}
	_, fraction, _ := strings.Cut(v.Text(), ".")
	if strings.ContainsAny(v.Text(), "eE") || len(fraction) > l.decimals {
		k.fault(v, "", &ruleDecimals, i, "at most "+strconv.Itoa(l.decimals), "more, or an exponent")
	}
}

func (k *check) bounds(i int32, l *limits, v fhir.Value, kind kind) {
	if order, ok := l.min.order(v, kind); ok && order < 0 {
		k.fault(v, "", &ruleMinValue, i, "at least "+l.min.v.Text(), "a smaller value")
	}
	if order, ok := l.max.order(v, kind); ok && order > 0 {
		k.fault(v, "", &ruleMaxValue, i, "at most "+l.max.v.Text(), "a larger value")
	}
}

// order compares an answer with the bound.
func (b bound) order(v fhir.Value, k kind) (int, bool) {
	if k == quantity {
		v, k = v.Get("value"), decimal
	}
	as, ok := alike(k, b.kind)
	if !ok {
		return 0, false
	}
	return compare(as, v, b.v)
}

func (k *check) unit(i int32, l *limits, v fhir.Value) {
	if l.unitSet != nil {
		c := unitOf(v)
		k.member(i, v, l.unitSet, c, &ruleUnit)
	}
	if len(l.units) == 0 || !k.step(len(l.units)) {
		return
	}
	u := unitOf(v)
	for _, c := range l.units {
		if u == c || c.system == "" && c.code == u.code && u.code != "" {
			return
		}
	}
	k.fault(v, "", &ruleUnit, i, "one of "+strconv.Itoa(len(l.units))+" units", "another unit")
}

func (k *check) attachment(i int32, l *limits, v fhir.Value) {
	if typ := v.Get("contentType").Text(); len(l.mimeTypes) > 0 && k.step(len(l.mimeTypes)) && !isMedia(l.mimeTypes, typ) {
		k.fault(v, "contentType", &ruleMime, i, list(l.mimeTypes), "another media type, or none")
	}
	if l.maxSize <= 0 {
		return
	}
	size, _ := number(v.Get("size").Text())
	size = max(size, float64(len(v.Get("data").Text()))*3/4-2)
	if size > l.maxSize*1_000_000 {
		k.fault(v, "", &ruleSize, i, "at most "+strconv.FormatFloat(l.maxSize, 'f', -1, 64)+" MB", "more")
	}
}

// isMedia compares media types without their parameters; "image/*" takes any.
func isMedia(allowed []string, typ string) bool {
	typ, _, _ = strings.Cut(typ, ";")
	for _, a := range allowed {
		if prefix, ok := strings.CutSuffix(a, "/*"); ok && strings.HasPrefix(typ, prefix+"/") || strings.EqualFold(a, typ) {
			return true
		}
	}
	return false
}

// target returns the resource type that a Reference names, or "".
func (k *check) target(v fhir.Value) string {
	if typ := v.Get("type").Text(); typ != "" {
		return typ
	}
	ref, ok := fhir.ParseReference(v.Get("reference").Text())
	if !ok || ref.Kind != fhir.RefContained {
		return ref.Type
	}
	for c := first(k.resource.Get("contained")); c.Exists(); c = c.Next() {
		if !k.step(1) {
			break
		}
		if c.Get("id").Text() == ref.Fragment {
			return c.Get("resourceType").Text()
		}
	}
	return ""
}
