package schema

// Patterns are written without look-around, \s, \d and \w, which differ between
// dialects, and so that no engine needs more than linear time.
const (
	year      = `([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])`
	leapYear  = `([0-9]{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)`
	fullDate  = `(` + year + `-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))|` + leapYear + `-02-29)`
	shortDate = year + `(-(0[1-9]|1[0-2]))?`
	clock     = `([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?`
	zone      = `(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))`
	space     = `[ \t\r\n]*`
	sextet    = `[A-Za-z0-9+/]`
)

// notBlank matches text with something in it, control the control characters
// that no string may hold (R4 datatypes, string).
const (
	notBlank = `[^\x00-\x20]`
	control  = `[\x00-\x08\x0B\x0C\x0E-\x1F]`
)

// active matches elements that a narrative may not have; there a < begins a tag
// and nothing else.
const active = `<([sS][cC][rR][iI][pP][tT]|[sS][tT][yY][lL][eE]|[iI][fF][rR][aA][mM][eE]|[oO][bB][jJ][eE][cC][tT]|[fF][oO][rR][mM])`

// primitives are the schemas of R4's primitive types. A JSON Schema counts
// characters where FHIR's 1 MB counts bytes, so maxLength is the weaker of the
// two.
var primitives = map[string]object{
	"boolean":      {"type": "boolean"},
	"integer":      {"type": "integer", "minimum": -2147483648, "maximum": 2147483647},
	"unsignedInt":  {"type": "integer", "minimum": 0, "maximum": 2147483647},
	"positiveInt":  {"type": "integer", "minimum": 1, "maximum": 2147483647},
	"decimal":      {"type": "number"},
	"string":       {"type": "string", "pattern": notBlank, "maxLength": 1048576, "not": object{"pattern": control}},
	"markdown":     {"type": "string", "pattern": notBlank, "maxLength": 1048576, "not": object{"pattern": control}},
	"code":         {"type": "string", "pattern": `^[^\x00-\x20]+( [^\x00-\x20]+)*$`},
	"id":           {"type": "string", "pattern": `^[A-Za-z0-9.-]{1,64}$`},
	"uri":          {"type": "string", "pattern": `^[^\x00-\x20]+$`},
	"url":          {"type": "string", "pattern": `^[^\x00-\x20]+$`},
	"canonical":    {"type": "string", "pattern": `^[^\x00-\x20]+$`},
	"oid":          {"type": "string", "pattern": `^urn:oid:[0-2](\.(0|[1-9][0-9]*))+$`},
	"uuid":         {"type": "string", "pattern": `^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`},
	"base64Binary": {"type": "string", "pattern": `^` + space + `(` + sextet + `{4}` + space + `)*(` + sextet + `{4}|` + sextet + `{2}==|` + sextet + `{3}=)` + space + `$`},
	"date":         {"type": "string", "pattern": `^(` + shortDate + `|` + fullDate + `)$`},
	"dateTime":     {"type": "string", "pattern": `^(` + shortDate + `|` + fullDate + `(T` + clock + zone + `)?)$`},
	"instant":      {"type": "string", "pattern": `^` + fullDate + `T` + clock + zone + `$`},
	"time":         {"type": "string", "pattern": `^` + clock + `$`},
	"xhtml":        {"type": "string", "pattern": `<div`, "not": object{"pattern": active}},
}
