package hl7v2

import (
	"slices"
	"time"

	"trellis.example/fhir"
	"trellis.example/mapping/codec/hl7v2"
)

// A Code is an acknowledgement code of HL7 table 0008.
type Code string

// The acknowledgement codes. AA says that the message is understood and kept,
// not that the referral is accepted: that is RF1-1 of the RRI.
const (
	AA Code = "AA" // application accept
	AE Code = "AE" // application error: the content is at fault
	AR Code = "AR" // application reject: not for this receiver, or try again
	CA Code = "CA" // commit accept
	CE Code = "CE" // commit error
	CR Code = "CR" // commit reject
)

// HTTPStatus returns the status with which the acknowledgement is answered
// over HTTP.
func (c Code) HTTPStatus() int {
	switch c {
	case AA, CA:
		return 200
	case AE, CE:
		return 422
	}
	return 400
}

// CodeFor returns AA, AE or AR for what is wrong with a message; warnings are
// not. Content faults give AE; what the header rules out, broken syntax and
// trouble on our side give AR.
func CodeFor(faults []fhir.Issue) Code {
	code := AA
	for _, is := range faults {
		switch {
		case !is.IsError():
		case rejects(is):
			return AR
		default:
			code = AE
		}
	}
	return code
}

// An AckPolicy is what the partner's agreement says about acknowledgements.
type AckPolicy struct {
	// Commit answers in enhanced mode with CA, CE and CR where the sender asks
	// for an accept acknowledgement (MSH-15). Many senders that fill MSH-15
	// know only AA, AE and AR; they are the default.
	Commit bool
	// RRI answers a referral at once with RRI where the sender waits for an
	// application answer on the same connection, as the standard has it for
	// MSH-15 and MSH-16 blank, and for NE with AL. It says that the referral is
	// pending (RF1-1 P). Without it the answer is an ACK, and the RRI follows
	// when a person has decided.
	RRI bool
}

// AnswersRRI reports that the answer to an accepted referral message is an RRI
// on the same connection.
func (h Header) AnswersRRI(p AckPolicy) bool {
	waits := h.AcceptAck == "" || h.AcceptAck == "NE"
	return p.RRI && h.Kind() == Referral && waits && wants(h.ApplicationAck, true)
}

// Follows reports that an acknowledgement of the application's own (AA) is owed
// after CA: in enhanced mode, for a message that no RRI answers.
func (h Header) Follows(p AckPolicy) bool {
	return p.Commit && h.told() && wants(h.AcceptAck, false) && wants(h.ApplicationAck, false)
}

// told reports a kind of message that no RRI answers.
func (h Header) told() bool {
	return h.Kind() == Visit || h.Kind() == Result || h.Kind() == Response
}

// wants reports whether MSH-15 or MSH-16 asks for an answer to a success.
func wants(condition string, blank bool) bool {
	return condition == "AL" || condition == "SU" || blank && condition == ""
}

// Answer decides what is answered at once to a message that came to outcome
// (AA, AE or AR), by MSH-15 and MSH-16 (HL7 v2, section 2.9):
//
//   - both blank, the original mode, or MSH-15 AL: always;
//   - MSH-15 SU: on success; ER: on failure;
//   - MSH-15 NE: for a referral nothing on success, since the RRI answers; for
//     other kinds as MSH-16 says. A failure is told unless MSH-16 is NE or SU,
//     since nothing else would follow.
//
// ok is false when nothing is to be sent at once. Over HTTP there is always an
// answer: send code whatever ok says.
func (h Header) Answer(outcome Code, p AckPolicy) (code Code, ok bool) {
	success := outcome == AA
	if h.AcceptAck == "" && h.ApplicationAck == "" || success && h.AnswersRRI(p) {
		return outcome, true
	}
	code = outcome
	if p.Commit && h.AcceptAck != "NE" {
		code = "C" + outcome[1:]
	}
	switch h.AcceptAck {
	case "NE":
		if success {
			return code, h.told() && wants(h.ApplicationAck, false)
		}
		return code, h.ApplicationAck != "NE" && h.ApplicationAck != "SU"
	case "SU":
		return code, success
	case "ER":
		return code, !success
	}
	return code, true
}

// BuildAck returns the acknowledgement of msg, which may be broken: in the
// sender's version, separators and character set, addressed back to it, MSA-2
// repeating MSH-10. faults become ERR segments from version 2.5 on, one ERR-1
// before. controlID is our own message control id. It returns nil when not
// even the separators of msg can be read: then nobody can be answered.
func BuildAck(msg []byte, code Code, faults []fhir.Issue, now time.Time, controlID string) []byte {
	return buildAck(msg, code, faults, now, controlID, "")
}

// BuildFollowingAck returns the application acknowledgement (AA) that follows a
// commit acknowledgement in enhanced mode: a message of its own, whose arrival
// its receiver is asked to confirm.
func BuildFollowingAck(msg []byte, now time.Time, controlID string) []byte {
	return buildAck(msg, AA, nil, now, controlID, "AL")
}

func buildAck(msg []byte, code Code, faults []fhir.Issue, now time.Time, controlID, accept string) []byte {
	m, _ := hl7v2.ReadAny(msg)
	if m == nil {
		return nil
	}
	h := header(m)
	w := hl7v2.NewWriter(m.Separators(), m.Charset())
	writeMSH(w, m, h, now, controlID)
	if accept != "" {
		w.Put(15, accept)
		w.Put(16, "NE")
	}
	w.Segment("MSA")
	w.Put(1, string(code))
	w.Copy(2, m.First("MSH").Field(10).Rep(0))
	if before(h.Version, "2.5") {
		writeOldErr(w, faults)
	} else {
		writeErr(w, faults)
	}
	return w.Bytes()
}

// writeMSH writes the header of an acknowledgement of m: sender and receiver
// change places.
func writeMSH(w *hl7v2.Writer, m *hl7v2.Message, h Header, now time.Time, controlID string) {
	msh := m.First("MSH")
	w.Segment("MSH")
	for to, from := range map[int]int{3: 5, 4: 6, 5: 3, 6: 4} {
		w.Copy(to, msh.Field(from).Rep(0))
	}
	w.Put(7, timestamp(now))
	w.Put(9, "ACK", h.Event)
	if !before(h.Version, "2.3.1") { // MSH-9.3 came with v2.3.1
		w.Set(9, 1, 3, 1, "ACK")
	}
	w.Put(10, controlID)
	w.Put(11, or(h.Processing, "P"))
	w.Put(12, or(h.Version, "2.5.1"))
	if m.Charset() != hl7v2.ASCII { // which is also what silence means
		w.Put(18, string(m.Charset()))
	}
}

// writeErr writes one ERR segment per fault (v2.5 and later).
func writeErr(w *hl7v2.Writer, faults []fhir.Issue) {
	for _, is := range limited(faults) {
		w.Segment("ERR")
		at := location(is.Source)
		if at == nil {
			w.Put(7, is.Source) // a place that ERL cannot say
		}
		w.Put(2, at...)
		c := conditionOf(is)
		w.Put(3, c.Code, c.Display, "HL70357")
		w.Put(4, severity(is))
		w.Put(8, is.Text)
	}
}

// writeOldErr writes the one ERR segment of v2.3 to v2.4, whose ERR-1 repeats:
// segment, sequence, field and the code with its text as subcomponents. It has
// no severity, so warnings are left out.
func writeOldErr(w *hl7v2.Writer, faults []fhir.Issue) {
	n := 0
	for _, is := range limited(faults) {
		if !is.IsError() {
			continue
		}
		if n++; n == 1 {
			w.Set(3, 1, 1, 1, cut(is.Text, 80)) // MSA-3, text message
			w.Segment("ERR")
		}
		if p, ok := hl7v2.ParsePath(is.Source); ok {
			w.Set(1, n, 1, 1, p.Segment)
			w.Set(1, n, 2, 1, itoa(p.Ordinal))
			w.Set(1, n, 3, 1, itoa(p.Field))
		}
		c := conditionOf(is)
		w.Set(1, n, 4, 1, c.Code)
		w.Set(1, n, 4, 2, c.Display)
		w.Set(1, n, 4, 3, "HL70357")
	}
}

// limited keeps an acknowledgement of a hopeless message readable.
func limited(faults []fhir.Issue) []fhir.Issue { return faults[:min(len(faults), 100)] }

// location returns the components of ERR-2 (ERL): segment, its occurrence,
// field, repetition, component, subcomponent, as far as the place goes.
func location(source string) []string {
	if source == "segment 1" {
		return []string{"MSH", "1"}
	}
	p, ok := hl7v2.ParsePath(source)
	if !ok {
		return nil
	}
	out := []string{p.Segment, itoa(p.Ordinal)}
	if p.Field == 0 {
		return out
	}
	out = append(out, itoa(p.Field), itoa(p.Rep))
	for _, n := range []int{p.Component, p.Sub} {
		if n > 0 {
			out = append(out, itoa(n))
		}
	}
	return out
}

// conditionOf returns the code of table 0357 for a fault.
func conditionOf(is fhir.Issue) fhir.Coding {
	if is.Details.System == Table0357 {
		return coding0357(is.Details.Code)
	}
	switch is.Code {
	case fhir.Structure:
		return coding0357("100")
	case fhir.Required:
		return coding0357("101")
	case fhir.CodeInvalid:
		return coding0357("103")
	case fhir.NotFound, fhir.Deleted, fhir.Security, fhir.Login, fhir.Forbidden:
		return coding0357("204")
	case fhir.Duplicate:
		return coding0357("205")
	case fhir.Conflict, fhir.Throttled:
		return coding0357("206")
	}
	if trouble(is.Code) {
		return coding0357("207")
	}
	return coding0357("102")
}

func coding0357(code string) fhir.Coding {
	display := map[string]string{
		"100": "Segment sequence error", "101": "Required field missing", "102": "Data type error",
		"103": "Table value not found", "200": "Unsupported message type", "201": "Unsupported event code",
		"202": "Unsupported processing id", "203": "Unsupported version id", "204": "Unknown key identifier",
		"205": "Duplicate key identifier", "206": "Application record locked", "207": "Application internal error",
	}[code]
	return fhir.Coding{System: Table0357, Code: code, Display: display}
}

// severity returns the code of table 0516.
func severity(is fhir.Issue) string {
	switch is.Severity {
	case fhir.SeverityWarning:
		return "W"
	case fhir.SeverityInformation:
		return "I"
	}
	return "E"
}

// before reports whether version a is older than b; an unknown one counts as
// 2.5.1.
func before(a, b string) bool {
	order := Versions()
	i := slices.Index(order, a)
	return i >= 0 && i < slices.Index(order, b)
}

// timestamp writes a time as HL7 does, with its offset.
func timestamp(t time.Time) string { return t.Format("20060102150405-0700") }
