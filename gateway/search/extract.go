package search

import (
	"strings"

	"trellis.example/fhir"
	"trellis.example/gateway/store"
)

// A taker takes the entries of one parameter from a value of one data type.
type taker func(x *extractor, v fhir.Value, p *Param)

// takerOf returns how a kind of search reads a data type (R4 search, section
// 3.1.1.5.9 and the tables after it); nil when it cannot be compared that way.
func takerOf(kind store.Kind, typ string) taker {
	switch kind {
	case store.Token:
		return tokenTaker(typ)
	case store.Reference:
		switch typ {
		case "Reference":
			return (*extractor).reference
		case "canonical", "uri", "url":
			return (*extractor).canonical
		case "Resource":
			return (*extractor).embedded
		}
	case store.Date:
		return dateTaker(typ)
	case store.Text:
		return textTaker(typ)
	case store.URI:
		switch typ {
		case "canonical":
			return (*extractor).versionedURI
		case "uri", "url", "oid", "uuid":
			return (*extractor).uri
		}
	case store.Number, store.Quantity:
		return amountTaker(kind, typ)
	case store.Point:
		if typ == "BackboneElement" {
			return (*extractor).point
		}
	}
	return nil
}

func (p *Param) entry(kind store.Kind) store.Index {
	return store.Index{Param: p.stored, Kind: kind, Common: p.common, Silent: p.silent}
}

func textTaker(typ string) taker {
	switch typ {
	case "HumanName", "Address":
		return (*extractor).texts
	case "string", "markdown", "code", "id":
		return (*extractor).text
	}
	return nil
}

// texts indexes every string of a HumanName or an Address.
func (x *extractor) texts(v fhir.Value, p *Param) {
	for m := v.First(); m.Exists(); m = m.Next() {
		if k := m.Key(); k == "use" || k == "type" || k == "id" {
			continue
		}
		for part := range m.Items() {
			x.text(part, p)
		}
	}
}

func (x *extractor) text(v fhir.Value, p *Param) {
	if v.Kind() != fhir.String {
		return
	}
	if p.sounds {
		for word := range strings.FieldsSeq(v.Text()) {
			x.addText(p, p.stored, soundex(word), "")
		}
		return
	}
	x.addText(p, p.stored, v.Text(), v.Text())
}

// addText indexes a string; written is it as a search for the exact text
// compares it.
func (x *extractor) addText(p *Param, name, s, written string) {
	e := p.entry(store.Text)
	if name != p.stored {
		e.Param, e.Common, e.Silent = name, false, true
	}
	limit := maxValue
	if e.Silent {
		limit = maxSilent
	}
	if e.Value, e.System = normalText(s, limit), clip(written); e.Value != "" {
		x.add(e)
	}
}

func tokenTaker(typ string) taker {
	switch typ {
	case "CodeableConcept":
		return (*extractor).concept
	case "Coding":
		return (*extractor).coding
	case "Identifier":
		return (*extractor).identifier
	case "ContactPoint":
		return (*extractor).contact
	case "code", "boolean", "string", "id", "uri", "canonical", "oid", "uuid", "integer", "positiveInt", "unsignedInt", "markdown":
		return (*extractor).code
	}
	return nil
}

func (x *extractor) code(v fhir.Value, p *Param) {
	if v.Kind() != fhir.Object && v.Kind() != fhir.Null {
		x.token(p, "", v.Text())
	}
}

func (x *extractor) token(p *Param, system, value string) {
	if value == "" {
		return
	}
	e := p.entry(store.Token)
	e.System, e.Value = clip(system), clip(value)
	x.add(e)
}

// bare says that the element is there although no value of it can be asked for:
// it is not missing.
func (x *extractor) bare(p *Param, kind store.Kind) {
	if x.group == 0 {
		x.add(p.entry(kind))
	}
}

func (x *extractor) concept(v fhir.Value, p *Param) {
	found := false
	for c := range v.Get("coding").Items() {
		found = x.oneCoding(c, p) || found
	}
	if text := v.Get("text").Text(); text != "" {
		x.also(p, p.names.text, text)
	}
	if !found {
		x.bare(p, store.Token)
	}
}

// also indexes the text beside a token.
func (x *extractor) also(p *Param, name, text string) {
	if x.group == 0 {
		x.addText(p, name, text, "")
	}
}

func (x *extractor) coding(v fhir.Value, p *Param) {
	if !x.oneCoding(v, p) {
		x.bare(p, store.Token)
	}
}

func (x *extractor) oneCoding(v fhir.Value, p *Param) bool {
	var system, code string
	for m := v.First(); m.Exists(); m = m.Next() {
		switch m.Key() {
		case "system":
			system = m.Text()
		case "code":
			code = m.Text()
		case "display":
			x.also(p, p.names.text, m.Text())
		}
	}
	x.token(p, system, code)
	return code != ""
}

func (x *extractor) identifier(v fhir.Value, p *Param) {
	system, value := v.Get("system").Text(), v.Get("value").Text()
	x.token(p, system, value)
	if value == "" {
		x.bare(p, store.Token)
	}
	if typ := v.Get("type"); typ.Exists() && x.group == 0 {
		x.typed(typ, value, p)
	}
}

// typed indexes an identifier by its type, for :of-type and :text.
func (x *extractor) typed(typ fhir.Value, value string, p *Param) {
	if text := typ.Get("text").Text(); text != "" {
		x.also(p, p.names.text, text)
	}
	for c := range typ.Get("coding").Items() {
		if code := c.Get("code").Text(); code != "" && value != "" {
			x.add(store.Index{Param: p.names.ofType, Kind: store.Token, Silent: true,
				System: clip(c.Get("system").Text() + "|" + code), Value: clip(value)})
		}
	}
}

// contact indexes a ContactPoint: its use is the token's system (R4 search,
// token).
func (x *extractor) contact(v fhir.Value, p *Param) {
	if x.system == "" || x.system == v.Get("system").Text() {
		x.token(p, v.Get("use").Text(), v.Get("value").Text())
	}
}

func (x *extractor) uri(v fhir.Value, p *Param) {
	if v.Kind() == fhir.String {
		e := p.entry(store.URI)
		e.Value = clip(v.Text())
		x.add(e)
	}
}

// versionedURI indexes a canonical: it is found with its version and without.
func (x *extractor) versionedURI(v fhir.Value, p *Param) {
	x.uri(v, p)
	if url, _, found := strings.Cut(v.Text(), "|"); found {
		e := p.entry(store.URI)
		e.Value = clip(url)
		x.add(e)
	}
}

// point indexes a place on Earth; one that is nowhere on it is left out.
func (x *extractor) point(v fhir.Value, p *Param) {
	e := p.entry(store.Point)
	lat, okLat := degrees(v.Get("latitude").Text(), 90)
	lon, okLon := degrees(v.Get("longitude").Text(), 180)
	if e.Low, e.High = lat, lon; okLat && okLon {
		x.add(e)
	}
}

// cutValue returns the data type of an extension's "value[x]" member.
func cutValue(key string) (typ string, ok bool) {
	typ, ok = strings.CutPrefix(key, "value")
	if !ok || typ == "" {
		return "", false
	}
	switch typ {
	case "String", "Code", "Boolean", "Uri", "Url", "Canonical", "Id", "Markdown", "Integer", "Decimal", "Date", "DateTime", "Instant", "Oid", "Uuid", "PositiveInt", "UnsignedInt":
		return strings.ToLower(typ[:1]) + typ[1:], true
	}
	return typ, true
}
