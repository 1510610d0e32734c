package mapping

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// accepted invents a text that the rule and the others of its field accept; ""
// when none was found.
func (g *sampler) accepted(r *rule) string {
	var others []*rule
	for _, o := range g.m.groups[r.group].rules {
		if len(o.when) == 0 && len(o.sources) > 0 && len(r.sources) > 0 && o.sources[0].path == r.sources[0].path {
			others = append(others, o)
		}
	}
	for range 8 {
		from := r
		if len(others) > 0 && g.chance(0.5) {
			from = others[g.r.IntN(len(others))]
		}
		text := g.value(from)
		if text != "" && takes(r, text) && !slices.ContainsFunc(others, func(o *rule) bool { return !takes(o, text) }) {
			return text
		}
	}
	return ""
}

// takes reports whether a rule reads a text without a fault.
func takes(r *rule, text string) bool {
	if r.conv.in == nil || r.dir&inward == 0 {
		return true
	}
	_, v := r.conv.in(nil, text)
	return v.fault == nil
}

// text invents free text with what syntaxes give a meaning.
func (g *sampler) text() string {
	words := [...]string{"walks", "Garden & shed", `"quoted"`, "tea; cake", "a|b^c~d", "£5, no more", "café", "o'clock", "<tag>", `back\slash`, "=1+1", "ünï", "line"}
	n := 1 + g.r.IntN(3)
	out := make([]string, n)
	for i := range out {
		out[i] = words[g.r.IntN(len(words))]
	}
	return strings.Join(out, " ")
}

// value invents a text of the rule's type.
func (g *sampler) value(r *rule) string {
	if r.table != nil {
		return g.row(r.table)
	}
	day := fmt.Sprintf("%04d-%02d-%02d", 1930+g.r.IntN(95), 1+g.r.IntN(12), 1+g.r.IntN(28))
	uk := day[8:] + "/" + day[5:7] + "/" + day[:4]
	clock := fmt.Sprintf("%02d:%02d", 8+g.r.IntN(10), g.r.IntN(60))
	one := func(list ...string) string { return list[g.r.IntN(len(list))] }
	if r.link {
		return "urn:example:" + strconv.Itoa(g.r.IntN(1+g.d.Len()))
	}
	switch r.spec.Type {
	case "boolean":
		return one("true", "false", "Yes", "no", "Y", "0")
	case "integer", "decimal":
		return g.number(r)
	case "date", "datepart":
		return one(day, day[:7], day[:4])
	case "ukdate":
		return uk
	case "ukdatetime":
		return one(uk+" "+clock, uk+" "+clock+":07", uk+" "+clock+"+02:00")
	case "ukdateorpartial":
		return one(uk, uk[3:], uk[6:])
	case "datetime":
		return one(day, day[:4], day+"T"+clock+":00Z", day+"T"+clock+":00.5+01:00")
	case "dateoruk":
		return one(day, uk, day[:7])
	case "datetimeoruk":
		return one(day, uk, uk+" "+clock, day+"T"+clock+":00Z")
	case "instant":
		return one(day+"T"+clock+":00Z", day+"T"+clock+":01.25+01:00")
	case "time":
		return one(clock, clock+":30")
	case "hl7date":
		return one(strings.ReplaceAll(day, "-", ""), day[:4])
	case "hl7ts":
		return strings.ReplaceAll(day, "-", "") + one("", strings.ReplaceAll(clock, ":", ""), strings.ReplaceAll(clock, ":", "")+"30+0100")
	}
	return g.word(r, one)
}

// word invents a text of a type that is no number and no time.
func (g *sampler) word(r *rule, one func(...string) string) string {
	switch r.spec.Type {
	case "code":
		return one("alpha", "b-2", "C_3", "en-GB")
	case "nhsnumber":
		return g.nhsNumber()
	case "postcode":
		return one("ZZ99 9ZZ", "zz99 3cz", "TS1 1AA", "ts11aa")
	case "phone":
		return fmt.Sprintf("01632 96%04d", g.r.IntN(10_000))
	case "email":
		return fmt.Sprintf("person%d@mail.example", g.r.IntN(100))
	case "digits":
		return strconv.Itoa(100_000 + g.r.IntN(900_000))
	case "ods":
		return one("A81001", "y04567", "RXX")
	case "snomed":
		return one("871731000000106", "73211009", "22298006")
	case "uri":
		return fmt.Sprintf("urn:example:%d", g.r.IntN(1000))
	}
	return g.text()
}

func (g *sampler) row(t *table) string {
	text := t.spec.Rows[g.r.IntN(len(t.spec.Rows))].Partner
	switch {
	case t.spec.Open && g.chance(0.2):
		return g.text()
	case t.spec.IgnoreCase && g.chance(0.2):
		return strings.ToUpper(text)
	}
	return text
}

func (g *sampler) number(r *rule) string {
	low, high := 0, 12
	if r.spec.Min != nil {
		low = int(*r.spec.Min)
		high = low + 12
	}
	if r.spec.Max != nil {
		high = int(*r.spec.Max)
	}
	n := strconv.Itoa(low + g.r.IntN(max(1, high-low+1)))
	if r.spec.Type == "decimal" && g.chance(0.3) && r.spec.Max == nil {
		n += ".50"
	}
	return n
}

// nhsNumber invents a number of the range that nobody has, 999.
func (g *sampler) nhsNumber() string {
	for {
		body := fmt.Sprintf("999%06d", g.r.IntN(1_000_000))
		sum := 0
		for i, c := range []byte(body) {
			sum += (10 - i) * int(c-'0')
		}
		if check := (11 - sum%11) % 11; check < 10 {
			n := body + strconv.Itoa(check)
			if g.chance(0.3) {
				return n[:3] + " " + n[3:6] + " " + n[6:]
			}
			return n
		}
	}
}
