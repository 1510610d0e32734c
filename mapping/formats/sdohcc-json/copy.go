package sdohcc

import (
	"fmt"
	"slices"
	"strings"

	"trellis.example/fhir"
	"trellis.example/mapping"
)

// A copier copies resources without what does not pass, and lists that.
type copier struct {
	names  map[string]string
	drops  func(v fhir.Value) (rule, text string) // why a value does not pass
	losses []mapping.Loss
}

func (c *copier) lose(at, rule, text string) {
	c.losses = append(c.losses, mapping.Loss{Source: at, Rule: rule, Text: text})
}

// object appends an object without the members skipped, and with the members
// added. It reports whether there is anything in it.
func (c *copier) object(b []byte, v fhir.Value, skip []string, added map[string]string) ([]byte, bool) {
	start := len(b)
	b = append(b, '{')
	for m := range v.All() {
		if slices.Contains(skip, m.Key()) || added[m.Key()] != "" {
			continue
		}
		mark := len(b)
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(fhir.AppendString(b, m.Key()), ':')
		var some bool
		if b, some = c.value(b, m); !some {
			b = b[:mark]
		}
	}
	keys := make([]string, 0, len(added))
	for k := range added {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(append(fhir.AppendString(b, k), ':'), added[k]...)
	}
	if b[len(b)-1] == '{' {
		return b[:start], false
	}
	return append(b, '}'), true
}

// value appends a value, if it passes and anything of it is left.
func (c *copier) value(b []byte, v fhir.Value) ([]byte, bool) {
	if rule, text := c.drops(v); rule != "" {
		c.lose(v.Path(), rule, text)
		return b, false
	}
	switch {
	case v.Kind() == fhir.Object:
		return c.object(b, v, nil, nil)
	case v.Kind() == fhir.Array:
		start := len(b)
		b = append(b, '[')
		for e := range v.All() {
			mark := len(b)
			if b[len(b)-1] != '[' {
				b = append(b, ',')
			}
			var some bool
			if b, some = c.value(b, e); !some {
				b = b[:mark]
			}
		}
		if b[len(b)-1] == '[' {
			return b[:start], false
		}
		return append(b, ']'), true
	case v.Key() == "reference" && v.Kind() == fhir.String:
		return c.reference(b, v)
	}
	return append(b, v.Raw()...), true
}

// reference appends a reference to another entry. One that leads out of the
// Bundle would mean another resource here, or none.
func (c *copier) reference(b []byte, v fhir.Value) ([]byte, bool) {
	text := v.Text()
	if url, ok := c.names[text]; ok {
		return fhir.AppendString(b, url), true
	}
	c.lose(v.Path(), "reference", "the reference leads to nothing that is carried in this Bundle; what stands beside it is kept")
	return b, false
}

// joined is an array's elements as JSON, with one more.
func joined(list []byte, one string) string {
	if len(list) == 0 {
		return "[" + one + "]"
	}
	return strings.TrimSuffix(string(list), "]") + "," + one + "]"
}

// part copies a member of v alone; "" when nothing of it passes.
func (c *copier) part(v fhir.Value) []byte {
	if !v.Exists() {
		return nil
	}
	b, some := c.value(nil, v)
	if !some {
		return nil
	}
	return b
}

// peek is part without a word of what is lost: somebody else says so.
func (c *copier) peek(v fhir.Value) []byte {
	known := len(c.losses)
	b := c.part(v)
	c.losses = c.losses[:known]
	return b
}

func coding(system, code, display string) string {
	return string(fhir.AppendCoding(nil, fhir.Coding{System: system, Code: code, Display: display}))
}

func concept(system, code, display string) string {
	return `{"coding":[` + coding(system, code, display) + `]}`
}

// post appends an entry of the transaction that creates the resource.
func post(b []byte, url string, resource []byte, typ string) []byte {
	if b[len(b)-1] != '[' {
		b = append(b, ',')
	}
	b = append(fhir.AppendString(append(b, `{"fullUrl":`...), url), `,"resource":`...)
	return append(append(b, resource...), fmt.Sprintf(`,"request":{"method":"POST","url":%q}}`, typ)...)
}
