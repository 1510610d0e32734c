package itk3

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"trellis.example/fhir"
)

// Receipt is the infrastructure acknowledgement that answers a message: that it
// was taken (err is nil), or why not. It has the syntax of the message, and
// mediaType says which. It is nil when the fault is ours (5xx): the standard has
// no code for that, and the sender sends again when no acknowledgement comes.
//
// repeated says that the same message was taken before. from is who answers;
// now is stamped on the answer. No value of the message is in it but its id and
// the sender's reference.
func Receipt(doc []byte, err error, repeated bool, from Party, now time.Time) (body []byte, mediaType string) {
	code, text := verdict(err, repeated)
	if code == "" {
		return nil, ""
	}
	root, mediaType := parse(doc)
	head := HeadOf(root)
	c, _ := Lookup(code)
	a := Ack{MessageID: head.MessageID, SenderReference: head.SenderReference, Code: c, Text: text, From: from, At: now}
	if mediaType == "application/fhir+xml" {
		return a.XML(), mediaType
	}
	return a.JSON(), mediaType
}

// parse reads what can be read of a message that may be broken.
func parse(doc []byte) (*Node, string) {
	if bytes.HasPrefix(bytes.TrimLeft(doc, " \t\r\n\ufeff"), []byte("<")) {
		root, _ := FromXML(doc) // nil is a message that tells nothing
		return root, "application/fhir+xml"
	}
	root, _ := FromJSON(doc)
	return root, "application/fhir+json"
}

// verdict is the response code, and what is wrong in words.
func verdict(err error, repeated bool) (code, text string) {
	if err == nil {
		if repeated {
			return "20007", ""
		}
		return "20013", ""
	}
	e := fhir.AsError(err)
	status := e.HTTPStatus()
	switch {
	case status >= http.StatusInternalServerError:
		return "", ""
	case status == http.StatusConflict || repeated:
		code = "20007"
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		code = "20012"
	case status == http.StatusUnsupportedMediaType:
		code = "20005"
	case unreadable(e):
		code = "10009"
	case aboutHeader(e):
		code = "20006"
	default:
		code = "20009"
	}
	return code, words(e)
}

// unreadable reports a document that is no JSON or XML at all.
func unreadable(e *fhir.Error) bool {
	return e.HTTPStatus() == http.StatusBadRequest && len(e.Issues) > 0 && (e.Issues[0].Code == fhir.Structure || e.Issues[0].Code == fhir.Invalid)
}

// aboutHeader reports a first fault in the head of the message.
func aboutHeader(e *fhir.Error) bool {
	return len(e.Issues) > 0 && strings.Contains(e.Issues[0].Source, "MessageHeader")
}

// words are the faults, one to a line, each with its place.
func words(e *fhir.Error) string {
	var lines []string
	for _, is := range e.Issues {
		if !is.IsError() {
			continue
		}
		line := is.Text
		if is.Source != "" {
			line = is.Source + ": " + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
