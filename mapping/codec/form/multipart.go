package form

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
	"unicode/utf8"

	"trellis.example/fhir"
)

// decode reads a percent-encoded text; false when it is broken or not UTF-8.
func decode(s string) (string, bool) {
	out, err := url.QueryUnescape(s)
	return out, err == nil && utf8.ValidString(out)
}

// maxBoundary is the longest boundary (RFC 2046, section 5.1.1).
const maxBoundary = 70

// multipart reads the parts of multipart/form-data.
func (f *form) multipart(b []byte) {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	boundary := string(bytes.TrimRight(line[2:], " \t\r"))
	if boundary == "" || len(boundary) > maxBoundary {
		f.fault(fhir.Invalid, "", "a multipart document begins with a line of two hyphens and its boundary of 1 to 70 characters")
		return
	}
	r := multipart.NewReader(bytes.NewReader(b), boundary)
	for {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			f.behind(b, boundary)
			return
		}
		if err != nil {
			f.fault(fhir.Invalid, "", "the parts cannot be read: each begins with the boundary and its headers, and the last ends with the boundary and two hyphens")
			return
		}
		if !f.room() {
			return
		}
		f.part(p)
	}
}

// behind refuses content behind the last boundary, which readers pass over.
func (f *form) behind(b []byte, boundary string) {
	end := "--" + boundary + "--"
	i := bytes.Index(b, []byte("\n"+end)) + 1
	if i == 0 && !bytes.HasPrefix(b, []byte(end)) || len(bytes.TrimSpace(b[i+len(end):])) > 0 {
		f.fault(fhir.Invalid, "", "there is something behind the last part")
	}
}

func (f *form) part(p *multipart.Part) {
	name := p.FormName()
	value, err := io.ReadAll(p)
	switch {
	case err != nil:
		f.fault(fhir.Invalid, f.field(name), "the part cannot be read to its end")
	case name == "":
		f.fault(fhir.Invalid, f.field(""), `each part has the header Content-Disposition: form-data; name="…"`)
	case isFile(p):
		if len(value) > 0 {
			f.fault(fhir.NotSupported, f.field(name), "files are not accepted here: send text fields only")
		}
	case !plainText(p):
		f.fault(fhir.NotSupported, f.field(name), "expected text/plain in UTF-8, not encoded further")
	case !utf8.Valid(value):
		f.fault(fhir.Invalid, f.field(name), "the value is not valid UTF-8")
	default:
		f.add(name, string(value))
	}
}

// isFile reports a part that a file input made.
func isFile(p *multipart.Part) bool {
	_, params, err := mime.ParseMediaType(p.Header.Get("Content-Disposition"))
	_, named := params["filename"]
	return err == nil && named
}

// plainText reports a part whose bytes are its text.
func plainText(p *multipart.Part) bool {
	switch strings.ToLower(p.Header.Get("Content-Transfer-Encoding")) {
	case "", "7bit", "8bit", "binary":
	default:
		return false
	}
	ct := p.Header.Get("Content-Type")
	if ct == "" {
		return true
	}
	t, params, err := mime.ParseMediaType(ct)
	charset := strings.ToLower(params["charset"])
	return err == nil && t == "text/plain" && (charset == "" || charset == "utf-8" || charset == "us-ascii")
}
