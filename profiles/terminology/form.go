package terminology

import (
	"strings"

	"trellis.example/fhir"
)

// A form judges a code by its form alone: No when it cannot be one of the
// system's, Yes when the form is all there is, Unknown otherwise.
type form func(code string) Answer

// formOf returns what can be said of the codes of a system that is not listed.
func formOf(system string) form {
	switch system {
	case fhir.SNOMEDSystem:
		return snomedForm
	case "http://loinc.org":
		return loincForm
	case "http://unitsofmeasure.org":
		return ucumForm
	case "urn:ietf:bcp:47":
		return languageForm
	case "urn:ietf:bcp:13":
		return mediaTypeForm
	case "urn:iso:std:iso:4217":
		return currencyForm
	case "urn:iso:std:iso:3166":
		return countryForm
	}
	return anyForm
}

func anyForm(string) Answer { return Unknown }

// byGrammar are the systems whose codes are decided by their grammar.
func byGrammar(system string) bool {
	switch system {
	case "urn:ietf:bcp:47", "urn:ietf:bcp:13", "urn:iso:std:iso:4217":
		return true
	}
	return false
}

func unknownIf(ok bool) Answer {
	if ok {
		return Unknown
	}
	return No
}

func yesIf(ok bool) Answer {
	if ok {
		return Yes
	}
	return No
}

// snomedForm refuses identifiers that no concept can have. Expressions
// (post-coordination) begin with a concept and are not read further.
func snomedForm(code string) Answer {
	if fhir.SNOMEDConcept(code) {
		return Unknown
	}
	end := strings.IndexAny(code, " :+|")
	if end < 0 {
		return No
	}
	if strings.HasPrefix(code, "===") || strings.HasPrefix(code, "<<<") {
		return Unknown
	}
	return unknownIf(fhir.SNOMEDConcept(code[:end]))
}

// loincForm is digits, a hyphen and a check digit; parts, answers and groups
// have two letters before.
func loincForm(code string) Answer {
	for _, p := range [...]string{"LA", "LP", "LG", "LL"} {
		code = strings.TrimPrefix(code, p)
	}
	n := len(code)
	return unknownIf(n >= 3 && n <= 9 && code[n-2] == '-' && digits(code[:n-2]) && digits(code[n-1:]))
}

func digits(s string) bool { return s != "" && all(s, digit) }

func digit(c byte) bool { return c >= '0' && c <= '9' }
func upper(c byte) bool { return c >= 'A' && c <= 'Z' }
func alpha(c byte) bool { c |= 0x20; return c >= 'a' && c <= 'z' }
func alnum(c byte) bool { return alpha(c) || digit(c) }

func all(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

// ucumForm checks characters and brackets (UCUM, sections 2.1 and 2.2); whether
// the unit exists is for a terminology server.
func ucumForm(code string) Answer {
	var square, curly, round int
	for i := range len(code) {
		c := code[i]
		switch {
		case c < '!' || c > '~', curly == 0 && c == '"':
			return No
		case c == '{':
			curly++
		case c == '}':
			curly--
		case curly > 0: // an annotation holds anything
		case c == '[':
			square++
		case c == ']':
			square--
		case c == '(':
			round++
		case c == ')':
			round--
		}
		if square < 0 || square > 1 || curly < 0 || curly > 1 || round < 0 {
			return No
		}
	}
	return unknownIf(code != "" && square == 0 && curly == 0 && round == 0)
}

// mediaTypeForm is type/subtype with optional parameters (BCP 13, RFC 6838
// section 4.2).
func mediaTypeForm(code string) Answer {
	code, _, _ = strings.Cut(code, ";")
	typ, sub, ok := strings.Cut(strings.TrimRight(code, " "), "/")
	return yesIf(ok && restricted(typ) && restricted(sub))
}

func restricted(name string) bool {
	return name != "" && len(name) <= 127 && alnum(name[0]) && all(name, func(c byte) bool {
		return alnum(c) || strings.IndexByte("!#$&-^_.+", c) >= 0
	})
}

// languageForm is a well-formed tag (BCP 47, RFC 5646 section 2.1); whether its
// subtags are registered is not looked at.
func languageForm(code string) Answer {
	if len(code) > 100 {
		return No
	}
	tag, rest, more := strings.Cut(code, "-")
	switch {
	case len(tag) == 1 && (tag[0]|0x20 == 'x' || tag[0]|0x20 == 'i'):
		return yesIf(more && subtags(rest))
	case len(tag) < 2 || len(tag) > 8 || !all(tag, alpha):
		return No
	}
	return yesIf(!more || subtags(rest))
}

// subtags are one to eight letters and digits each, and none stands alone at
// the end with a single character.
func subtags(rest string) bool {
	for {
		tag, tail, more := strings.Cut(rest, "-")
		if tag == "" || len(tag) > 8 || !all(tag, alnum) || len(tag) == 1 && !more {
			return false
		}
		if !more {
			return true
		}
		rest = tail
	}
}

// currencies are the codes of ISO 4217, funds and metals included.
const currencies = " AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD" +
	" CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP" +
	" GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP" +
	" LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK" +
	" PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND" +
	" TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU XBA XBB XBC XBD XCD XDR XOF XPD" +
	" XPF XPT XSU XTS XUA XXX YER ZAR ZMW ZWL "

// currencyForm decides by the list: the codes are few and public.
func currencyForm(code string) Answer {
	if len(code) != 3 || !all(code, upper) {
		return No
	}
	for i := 1; i < len(currencies); i += 4 {
		if currencies[i:i+3] == code {
			return Yes
		}
	}
	return No
}

func countryForm(code string) Answer {
	n := len(code)
	return unknownIf((n == 2 || n == 3) && all(code, upper) || n == 3 && digits(code))
}
