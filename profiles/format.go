package profiles

// A format checks codes of systems that lie outside FHIR and cannot be listed.
type format uint8

const (
	anyFormat format = iota
	mediaType
	language
	currency
)

// formHint is for codes that are known by their form alone.
const formHint = "Write the code in the form that the message names."

func formatOf(valueSet string) format {
	switch valueSet {
	case "http://hl7.org/fhir/ValueSet/mimetypes", "http://www.rfc-editor.org/bcp/bcp13.txt":
		return mediaType
	case "http://hl7.org/fhir/ValueSet/all-languages":
		return language
	case "http://hl7.org/fhir/ValueSet/currencies":
		return currency
	}
	return anyFormat
}

func (f format) valid(s string) bool {
	switch f {
	case mediaType:
		return isMediaType(s)
	case language:
		return isLanguage(s)
	case currency:
		return len(s) == 3 && isUpper(s)
	}
	return true
}

func (f format) expect() string {
	switch f {
	case mediaType:
		return "a media type such as text/plain"
	case language:
		return "a language tag such as en-GB"
	}
	return "a currency code such as GBP"
}

// isMediaType accepts type/subtype with parameters, and the short forms that
// FHIR itself uses in CapabilityStatement.format ("json", "xml", "ttl").
func isMediaType(s string) bool {
	slashes := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == ';':
			return i > 0 && s[i-1] != '/'
		case c == '/':
			slashes++
			if i == 0 || i == len(s)-1 {
				return false
			}
		case c <= ' ' || c >= 0x7f:
			return false
		}
	}
	return s != "" && slashes <= 1
}

// isLanguage accepts the shape of BCP 47 tags: subtags of 1 to 8 letters or
// digits, the first all letters.
func isLanguage(s string) bool {
	part, first := 0, true
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '-':
			if part == 0 {
				return false
			}
			part, first = 0, false
			continue
		case c|0x20 >= 'a' && c|0x20 <= 'z':
		case c >= '0' && c <= '9' && !first:
		default:
			return false
		}
		if part++; part > 8 {
			return false
		}
	}
	return part > 0
}

func isUpper(s string) bool {
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return true
}
