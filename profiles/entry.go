package profiles

import (
	"strings"

	"trellis.example/fhir"
)

// entry checks one entry of a Bundle (R4 Bundle, sections 2.36.4 and 3.1.0.11).
func (w *walk) entry(v fhir.Value) {
	w.fullURL(v)
	if status := v.At("response", "status"); status.Kind() == fhir.String && !isHTTPStatus(status.Text()) {
		w.expected(status, fhir.BadValue, ruleResponse, "a status that begins with the three digits of an HTTP status")
	}
	switch w.addressesOf().typ {
	case "transaction", "batch":
		if r := v.Get("request"); r.Kind() == fhir.Object {
			w.request(v, r)
		}
	}
}

// fullURL checks that the address is absolute, and has the same type and id as
// the resource where it is a RESTful one.
func (w *walk) fullURL(v fhir.Value) {
	full := v.Get("fullUrl")
	if !full.Exists() && v.Get("resource").Exists() && w.exchanged() {
		w.add(v, "fullUrl", fhir.Issue{Severity: fhir.SeverityWarning, Code: fhir.Required, Rule: ruleFullURL,
			Text: "an entry of a document or a message should have a fullUrl", Expected: "an absolute URL or a urn",
			Hint: "Give the entry a fullUrl: without it nothing can refer to the resource."})
	}
	if full.Kind() != fhir.String {
		return
	}
	s := full.Text()
	ref, ok := fhir.ParseReference(s)
	switch {
	case !ok || !strings.Contains(s, ":") || ref.Kind == fhir.RefContained:
		w.expected(full, fhir.BadValue, ruleFullURL, "an absolute URL or a urn")
	case hasPrefixFold(s, "urn:uuid:") && !isUUID(strings.ToLower(s[len("urn:uuid:"):])):
		w.expected(full, fhir.BadValue, ruleFullURL, "a UUID after urn:uuid:")
	case strings.HasPrefix(s, "urn:oid:") && !isOID(s):
		w.expected(full, fhir.BadValue, ruleFullURL, "an OID after urn:oid:")
	case ref.Kind == fhir.RefAbsolute && w.v.nodes.defs.IsResource(ref.Type):
		r := v.Get("resource")
		if r.Exists() && (r.Get("resourceType").Text() != ref.Type || r.Get("id").Exists() && r.Get("id").Text() != ref.ID) {
			w.wrong(full, fhir.BadValue, ruleFullURL, "the type and id of the entry's resource at the end of the URL", "another type or id", "Make fullUrl end in the resource's own type and id.")
		}
	}
}

// exchanged reports whether the innermost Bundle is one whose entries refer to
// each other by fullUrl (R4 Bundle, section 2.36.4).
func (w *walk) exchanged() bool {
	typ := w.addressesOf().typ
	return typ == "document" || typ == "message"
}

func isHTTPStatus(s string) bool {
	return len(s) >= 3 && s[0] >= '1' && s[0] <= '5' && isDigits(s[:3]) && (len(s) == 3 || s[3] == ' ' || s[3] == '.')
}

// request checks that method, url and resource of an entry agree.
func (w *walk) request(entry, req fhir.Value) {
	r, method := entry.Get("resource"), req.Get("method").Text()
	switch method {
	case "GET", "HEAD", "DELETE":
		if r.Exists() {
			w.disagrees(r, "no resource beside "+method, "a resource")
		}
	case "POST", "PUT", "PATCH":
		if !r.Exists() && !isOperation(req.Get("url").Text()) {
			w.add(entry, "resource", fhir.Issue{Severity: fhir.SeverityError, Code: fhir.Required, Rule: ruleRequest,
				Text: method + " needs a resource", Expected: "a resource beside " + method})
		}
	}
	w.requestURL(req, method, r)
	w.conditions(req, method)
}

func isOperation(url string) bool {
	return strings.HasPrefix(url, "$") || strings.Contains(url, "/$") || strings.Contains(url, "_search")
}

// requestURL compares the address with the resource. An absolute one is not
// judged: it may be of another server.
func (w *walk) requestURL(req fhir.Value, method string, r fhir.Value) {
	at := req.Get("url")
	url := at.Text()
	typ := r.Get("resourceType").Text()
	if at.Kind() != fhir.String || strings.Contains(url, "://") || isOperation(url) {
		return
	}
	path, query, conditional := strings.Cut(url, "?")
	name, id, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if name != "" && !w.v.nodes.defs.IsResource(name) && name != "metadata" && !strings.HasPrefix(name, "_") {
		w.disagrees(at, "a url that begins with an R4 resource type", "another name")
		return
	}
	switch method {
	case "POST":
		if id != "" || typ != "" && name != typ {
			w.disagrees(at, "the resource's type alone, as in "+orType(typ), "another address")
		}
	case "PUT", "PATCH", "DELETE":
		if id == "" && !conditional || id != "" && conditional {
			w.disagrees(at, "Type/id, or Type?criteria", "an address of neither form")
		} else if method == "PUT" && typ != "" && !sameAddress(r, name, id) {
			w.disagrees(at, "the type and id of the resource", "another type or id")
		} else if conditional && query == "" {
			w.disagrees(at, "criteria after the question mark", "nothing after it")
		}
	}
}

func orType(typ string) string {
	if typ == "" {
		return "Patient"
	}
	return typ
}

// sameAddress reports whether an address names the resource; a conditional one
// has no id.
func sameAddress(r fhir.Value, typ, id string) bool {
	if r.Get("resourceType").Text() != typ {
		return false
	}
	own := r.Get("id").Text()
	return id == "" || own == "" || own == id
}

// conditions checks the forms of the conditions of a request, and that each
// stands beside a method it means something to.
func (w *walk) conditions(req fhir.Value, method string) {
	if m := req.Get("ifMatch"); m.Kind() == fhir.String && !isETag(m.Text()) {
		w.disagrees(m, `an entity tag such as W/"3"`, "another form")
	}
	if m := req.Get("ifNoneMatch"); m.Kind() == fhir.String && m.Text() != "*" && !isETag(m.Text()) {
		w.disagrees(m, `* or an entity tag such as W/"3"`, "another form")
	}
	m := req.Get("ifNoneExist")
	switch {
	case m.Kind() != fhir.String:
	case method != "POST":
		w.disagrees(m, "no ifNoneExist beside "+method, "a condition of creation")
	case strings.Contains(m.Text(), "?") && !strings.Contains(m.Text(), "="), strings.HasPrefix(m.Text(), "?"):
		w.disagrees(m, "the criteria alone, without a question mark before them", "a question mark")
	}
}

func isETag(s string) bool {
	s = strings.TrimPrefix(s, "W/")
	return len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"' && !strings.Contains(s[1:len(s)-1], `"`)
}

func (w *walk) disagrees(at fhir.Value, expect, found string) {
	w.wrong(at, fhir.BadValue, ruleRequest, expect, found, "")
}
