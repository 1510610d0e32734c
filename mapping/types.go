package mapping

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// A problem is what is wrong with a value, in words that hold for every value:
// it never shows the value itself.
type problem struct {
	code fhir.Code
	want string
}

// A verdict is the outcome of reading one value.
type verdict struct {
	fault *problem
	// loss says what the conversion lost; skip means that nothing was written.
	loss string
	skip bool
}

// A converter turns a partner's text into FHIR JSON and back. Both functions
// are compiled once per rule and keep no state.
type converter struct {
	// in appends the JSON of the value to dst; text is trimmed and not empty.
	in func(dst []byte, text string) ([]byte, verdict)
	// out returns the partner's text, or false when the value has no form in
	// the partner's format.
	out func(v fhir.Value) (string, bool)
	// literal says that JSON partners write the text without quotes.
	literal bool
	// object says that the FHIR value is an object (a Coding).
	object bool
}

// A typeSpec makes the converter of a rule.
type typeSpec func(r *rule) (converter, error)

// typeSpecs is the fixed list of types that a map may name.
func typeSpecs() map[string]typeSpec {
	return map[string]typeSpec{
		"text":            plain(checkText),
		"join":            inOnly(checkText),
		"headed":          headedType,
		"prefixed":        prefixedType,
		"raw":             rawType,
		"code":            codeType,
		"coding":          codingType,
		"boolean":         number(checkBoolean),
		"integer":         number(checkInteger),
		"decimal":         number(checkDecimal),
		"date":            plain(checkDate),
		"ukdate":          twoWay(ukDateIn, ukDateOut),
		"ukdatetime":      twoWay(ukDateTimeIn, ukDateTimeOut),
		"ukdateorpartial": twoWay(ukPartialIn, ukPartialOut),
		"datetime":        plain(checkDateTime),
		"dateoruk":        twoWay(dateOrUKIn, sameDate),
		"datetimeoruk":    twoWay(dateTimeOrUKIn, sameDateTime),
		"localdatetime":   twoWay(localDateTimeIn, localDateTimeOut),
		"instant":         plain(checkInstant),
		"datepart":        datePart,
		"time":            twoWay(timeIn, timeOut),
		"hl7date":         twoWay(hl7DateIn, hl7DateOut),
		"hl7ts":           twoWay(hl7TimeIn, hl7TimeOut),
		"nhsnumber":       plain(checkNHSNumber),
		"postcode":        plain(checkPostcode),
		"phone":           plain(checkPhone),
		"email":           plain(checkEmail),
		"digits":          plain(checkDigits),
		"ods":             plain(checkODS),
		"snomed":          plain(checkSNOMED),
		"uri":             plain(checkURI),
	}
}

// plain is a type whose FHIR form is a string that is also the partner's. What
// the type would refuse from the partner it does not write either.
func plain(check func(string) (string, *problem)) typeSpec {
	return twoWay(check, func(s string) (string, bool) {
		_, p := check(s)
		return s, p == nil && s != ""
	})
}

// inOnly is a type that cannot be inverted.
func inOnly(check func(string) (string, *problem)) typeSpec {
	return func(r *rule) (converter, error) {
		c, err := plain(check)(r)
		c.out = nil
		return c, err
	}
}

// twoWay is a type whose FHIR form is a string.
func twoWay(in func(string) (string, *problem), out func(string) (string, bool)) typeSpec {
	return func(*rule) (converter, error) {
		return converter{
			in: func(dst []byte, s string) ([]byte, verdict) {
				v, p := in(s)
				if p != nil {
					return dst, verdict{fault: p}
				}
				return fhir.AppendString(dst, v), verdict{}
			},
			out: func(v fhir.Value) (string, bool) { return out(v.Text()) },
		}, nil
	}
}

// number is a type whose FHIR form is a JSON number or boolean, within the
// rule's limits; with a table, the one that the table says.
func number(check func(string) (string, *problem)) typeSpec {
	return func(r *rule) (converter, error) {
		check, err := limited(check, r.spec)
		if err != nil {
			return converter{}, err
		}
		if r.table != nil {
			return tableNumber(r.table, check)
		}
		return converter{
			in: func(dst []byte, s string) ([]byte, verdict) {
				v, p := check(s)
				if p != nil {
					return dst, verdict{fault: p}
				}
				return append(dst, v...), verdict{}
			},
			out: func(v fhir.Value) (string, bool) {
				_, p := check(v.Text())
				return v.Text(), p == nil
			},
			literal: true,
		}, nil
	}
}

// tableNumber is a number or boolean of the rule's table.
func tableNumber(t *table, check func(string) (string, *problem)) (converter, error) {
	for _, row := range t.spec.Rows {
		if v, p := check(row.Code); p != nil || v != row.Code {
			return converter{}, fmt.Errorf("table %s: a row's code is not of the rule's type", t.spec.ID)
		}
	}
	return converter{
		in: func(dst []byte, s string) ([]byte, verdict) {
			row, v := t.find(s)
			if row == nil {
				return dst, v
			}
			return append(dst, row.Code...), v
		},
		out: func(v fhir.Value) (string, bool) { return t.back(t.spec.System, v.Text()) },
	}, nil
}

// limited adds the rule's min and max to the check of a number.
func limited(check func(string) (string, *problem), s *ruleSpec) (func(string) (string, *problem), error) {
	if s == nil || s.Min == nil && s.Max == nil {
		return check, nil
	}
	low, high := math.Inf(-1), math.Inf(1)
	want := problem{code: fhir.BadValue, want: "expected a number"}
	if s.Type == "integer" {
		want.want = "expected a whole number"
	}
	if s.Min != nil {
		low = *s.Min
		want.want += " from " + strconv.FormatFloat(low, 'f', -1, 64)
	}
	if s.Max != nil {
		high = *s.Max
		want.want += " to " + strconv.FormatFloat(high, 'f', -1, 64)
	}
	if low > high {
		return nil, errors.New("min is above max")
	}
	return func(s string) (string, *problem) {
		v, p := check(s)
		if p != nil {
			return v, p
		}
		if n, err := strconv.ParseFloat(v, 64); err != nil || n < low || n > high {
			return "", &want
		}
		return v, nil
	}, nil
}

var (
	wantText    = problem{fhir.BadValue, "expected text without control characters"}
	wantCode    = problem{fhir.BadValue, "expected a code: no space at the ends, single spaces inside"}
	wantBoolean = problem{fhir.BadValue, "expected yes or no"}
	wantInteger = problem{fhir.BadValue, "expected a whole number"}
	wantDecimal = problem{fhir.BadValue, "expected a decimal number"}
)

func checkText(s string) (string, *problem) {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			return "", &wantText
		}
	}
	return s, nil
}

func checkCode(s string) (string, *problem) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == ' ' && i+1 < len(s) && s[i+1] == ' ' {
			return "", &wantCode
		}
	}
	return s, nil
}

func checkBoolean(s string) (string, *problem) {
	switch strings.ToLower(s) {
	case "yes", "y", "true", "1":
		return "true", nil
	case "no", "n", "false", "0":
		return "false", nil
	}
	return "", &wantBoolean
}

func checkInteger(s string) (string, *problem) {
	digits := strings.TrimPrefix(s, "-")
	if !isDigits(digits) || len(digits) > 9 || len(digits) > 1 && digits[0] == '0' || s == "-0" {
		return "", &wantInteger
	}
	return s, nil
}

func checkDecimal(s string) (string, *problem) {
	whole, frac, dot := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if !isDigits(whole) || len(whole) > 1 && whole[0] == '0' || dot && !isDigits(frac) || len(s) > 18 {
		return "", &wantDecimal
	}
	return s, nil
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
