package search

import (
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

var prefixes = [...]string{"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"}

// prefixOf cuts the prefix off a value: "eq" when it has none.
func prefixOf(v string) (op, rest string) {
	if len(v) > 2 && slices.Contains(prefixes[:], v[:2]) {
		return v[:2], v[2:]
	}
	return "eq", v
}

// amountTaker reads numbers and quantities.
func amountTaker(kind store.Kind, typ string) taker {
	if kind == store.Number {
		switch typ {
		case "decimal", "integer", "positiveInt", "unsignedInt":
			return (*extractor).number
		case "Range":
			return (*extractor).rangeOf
		}
		return nil
	}
	switch typ {
	case "Quantity", "Age", "Duration", "Count", "Distance", "SimpleQuantity", "MoneyQuantity":
		return (*extractor).quantity
	case "Money":
		return (*extractor).money
	case "Range":
		return (*extractor).rangeOf
	case "SampledData":
		return (*extractor).samples
	}
	return nil
}

func (x *extractor) number(v fhir.Value, p *Param) {
	if f, ok := parseFloat(v.Text()); ok {
		x.amount(p, "", "", f, f)
	}
}

func parseFloat(s string) (float64, bool) {
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

// amount indexes a range of numbers in a unit.
func (x *extractor) amount(p *Param, system, unit string, low, high float64) {
	e := p.entry(p.kind)
	if e.Low, e.High = store.Ordered(low), store.Ordered(high); e.Low > e.High {
		return
	}
	if p.kind == store.Quantity {
		e.System, e.Value = clip(system), clip(unit)
	}
	x.add(e)
}

// quantity indexes a Quantity under its code and under the unit as people write
// it (R4 search, quantity: either is meant where no system is given).
func (x *extractor) quantity(v fhir.Value, p *Param) {
	f, ok := parseFloat(v.Get("value").Text())
	if !ok {
		return
	}
	low, high := f, f
	switch v.Get("comparator").Text() {
	case "<":
		low, high = -math.MaxFloat64, math.Nextafter(f, -math.MaxFloat64)
	case "<=":
		low = -math.MaxFloat64
	case ">":
		low, high = math.Nextafter(f, math.MaxFloat64), math.MaxFloat64
	case ">=":
		high = math.MaxFloat64
	}
	x.inUnit(v, p, low, high)
}

// inUnit indexes a range in the units that a Quantity names.
func (x *extractor) inUnit(v fhir.Value, p *Param, low, high float64) {
	code, unit := v.Get("code").Text(), v.Get("unit").Text()
	x.amount(p, v.Get("system").Text(), code, low, high)
	if unit != "" && unit != code {
		x.amount(p, "", unit, low, high)
	}
}

const currencies = "urn:iso:std:iso:4217"

func (x *extractor) money(v fhir.Value, p *Param) {
	if f, ok := parseFloat(v.Get("value").Text()); ok {
		x.amount(p, currencies, v.Get("currency").Text(), f, f)
	}
}

// rangeOf indexes a Range, open where an end is missing.
func (x *extractor) rangeOf(v fhir.Value, p *Param) {
	low, okLow := parseFloat(v.At("low", "value").Text())
	high, okHigh := parseFloat(v.At("high", "value").Text())
	unit := v.Get("low")
	switch {
	case !okLow && !okHigh:
		return
	case !okLow:
		low, unit = -math.MaxFloat64, v.Get("high")
	case !okHigh:
		high = math.MaxFloat64
	}
	x.inUnit(unit, p, low, high)
}

// samples indexes the range that a SampledData covers, in the unit of its
// origin.
func (x *extractor) samples(v fhir.Value, p *Param) {
	origin, ok := parseFloat(v.At("origin", "value").Text())
	factor, scaled := parseFloat(v.Get("factor").Text())
	if !scaled {
		factor = 1
	}
	low, high := math.Inf(1), math.Inf(-1)
	for s := range strings.FieldsSeq(v.Get("data").Text()) {
		if f, isNumber := parseFloat(s); isNumber {
			low, high = min(low, origin+f*factor), max(high, origin+f*factor)
		}
	}
	if ok && low <= high && !math.IsInf(low, 0) && !math.IsInf(high, 0) {
		x.inUnit(v.Get("origin"), p, low, high)
	}
}

var decimal = regexp.MustCompile(`^[+-]?[0-9]{1,32}(\.[0-9]{1,32})?([eE][+-]?[0-9]{1,2})?$`)

const numberForm = "a number is 100, 100.00 or 1e2, with an optional prefix eq, ne, gt, lt, ge, le, sa, eb or ap"

// parseNumber reads the value of a number parameter; text says what is wrong
// with it. Without a prefix, and with eq, ne and ap, the digits say how exact
// the number is: 100 means 99.5 up to 100.5; other prefixes compare with it
// exactly (R4 search, number).
func parseNumber(v string) (m store.Match, text string) {
	op, v := prefixOf(v)
	if !decimal.MatchString(v) {
		return m, numberForm
	}
	value, half, ok := precision(v)
	if !ok {
		return m, numberForm
	}
	m.Op = op
	switch op {
	case "eq", "ne":
		low, _ := new(big.Rat).Sub(value, half).Float64()
		high, _ := new(big.Rat).Add(value, half).Float64()
		m.Low, m.High = store.Ordered(low), store.Ordered(math.Nextafter(high, math.Inf(-1)))
	case "ap":
		tenth := new(big.Rat).Abs(new(big.Rat).Quo(value, big.NewRat(10, 1)))
		if tenth.Cmp(half) < 0 {
			tenth = half
		}
		low, _ := new(big.Rat).Sub(value, tenth).Float64()
		high, _ := new(big.Rat).Add(value, tenth).Float64()
		m.Low, m.High = store.Ordered(low), store.Ordered(high)
	default:
		f, _ := value.Float64()
		m.Low, m.High = store.Ordered(f), store.Ordered(f)
	}
	return m, ""
}

// precision returns a number and half the unit of its last digit. One with an
// exponent has a digit more than it shows: R4's example makes 1e2 the range from
// 95 to 105.
func precision(v string) (value, half *big.Rat, ok bool) {
	value, ok = new(big.Rat).SetString(v)
	if !ok {
		return nil, nil, false
	}
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(v), "e")
	_, decimals, _ := strings.Cut(mantissa, ".")
	power := -len(decimals)
	if scientific {
		e, err := strconv.Atoi(strings.TrimPrefix(exponent, "+"))
		if err != nil {
			return nil, nil, false
		}
		power += e - 1
	}
	half = big.NewRat(1, 2)
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(power, -power))), nil)
	if power >= 0 {
		return value, half.Mul(half, new(big.Rat).SetInt(ten)), true
	}
	return value, half.Quo(half, new(big.Rat).SetInt(ten)), true
}

// parseQuantity reads the value of a quantity parameter.
func parseQuantity(v string) (m store.Match, text string) {
	parts := splitEscaped(v, '|')
	m, text = parseNumber(parts[0])
	switch {
	case text != "":
		return m, text
	case len(parts) == 1:
		return m, ""
	case len(parts) != 3 || parts[2] == "":
		return m, "a quantity is number, number|system|code or number||code, with an optional prefix"
	}
	m.System, m.Value = clip(unescape(parts[1])), clip(unescape(parts[2]))
	m.AnySystem = m.System == ""
	return m, ""
}

// degrees reads a latitude or longitude of at most limit degrees.
func degrees(s string, limit float64) (int64, bool) {
	f, ok := parseFloat(s)
	if !ok || math.Abs(f) > limit {
		return 0, false
	}
	return int64(math.Round(f * store.PointScale)), true
}

// lengths are the units of a distance, in metres.
var lengths = map[string]float64{"km": 1000, "m": 1, "[mi_i]": 1609.344, "[mi_us]": 1609.347, "[ft_i]": 0.3048, "[yd_i]": 0.9144, "": 1000}

const (
	defaultRadius = 10_000     // metres
	maxRadius     = 20_100_000 // half around the Earth
)

// parseNear reads latitude|longitude|distance|unit.
func parseNear(v string) (m store.Match, text string) {
	const form = "a place is latitude|longitude, latitude|longitude|distance or latitude|longitude|distance|unit, the unit km, m, [mi_i] or [ft_i]"
	parts := strings.Split(unescape(v), "|")
	if len(parts) < 2 || len(parts) > 4 {
		return m, form
	}
	parts = append(parts, "", "")[:4]
	lat, okLat := degrees(parts[0], 90)
	lon, okLon := degrees(parts[1], 180)
	m.Low, m.High, m.Radius = lat, lon, defaultRadius
	if parts[2] == "" && parts[3] == "" {
		return m, formUnless(okLat && okLon, form)
	}
	f, ok := parseFloat(parts[2])
	unit, known := lengths[parts[3]]
	m.Radius = min(f*unit, maxRadius)
	return m, formUnless(okLat && okLon && ok && known && f >= 0, form)
}

func formUnless(ok bool, form string) string {
	if ok {
		return ""
	}
	return form
}
