package audit

import (
	"encoding/base64"
	"strconv"
	"strings"

	"trellis.example/fhir"
)

// ID returns the logical id of the record as an AuditEvent: "184-0".
func (r Record) ID() string { return strconv.FormatInt(r.Seq, 10) + "-" + strconv.Itoa(r.N) }

// ParseID reads what [Record.ID] wrote.
func ParseID(id string) (seq int64, n int, ok bool) {
	a, b, ok := strings.Cut(id, "-")
	if !ok {
		return 0, 0, false
	}
	seq, err := strconv.ParseInt(a, 10, 64)
	if err != nil || seq < 1 {
		return 0, 0, false
	}
	n, err = strconv.Atoi(b)
	r := Record{Seq: seq, N: n}
	return seq, n, err == nil && n >= 0 && r.ID() == id
}

// Render returns the record as an AuditEvent in JSON. site is this server's
// FHIR base URL.
func Render(r Record, site string) []byte {
	w := &writer{b: make([]byte, 0, 2048)}
	at := fhir.Instant(r.At)
	w.raw(`{"resourceType":"AuditEvent","id":"`, r.ID(), `","meta":{"versionId":"1","lastUpdated":"`, at, `"`)
	if p := profile(r.Entry); p != "" {
		w.raw(`,"profile":["https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.`, p, `"]`)
	}
	w.raw(`},`)
	w.kind(r.Entry)
	w.raw(`,"action":"`, string(r.Action), `","recorded":"`, at, `","outcome":"`, r.Outcome, `"`)
	if r.Count > 1 {
		w.raw(`,"outcomeDesc":"`, strconv.Itoa(r.Count), ` times in this minute"`)
	}
	w.agents(r.Entry, site)
	w.raw(`,"source":{"site":`, quote(site), `,"observer":{"display":"Trellis"},"type":[`)
	w.coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server")
	w.raw(`]}`)
	w.entities(r.Entry)
	w.raw(`}`)
	return w.b
}

// interactions maps an interaction to the BALP profile that describes it.
var interactions = map[string]string{
	"create": "Create", "read": "Read", "vread": "Read", "update": "Update", "delete": "Delete", "search-type": "Query",
}

// profile returns the BALP profile the entry fits, or "".
func profile(e Entry) string {
	p := interactions[e.Interaction]
	if p == "" || e.Outcome != Success || e.Client == "" || e.Address == "" || len(e.Entities) != 1 {
		return ""
	}
	if len(e.Patients) == 1 {
		return "Patient" + p
	}
	if len(e.Patients) > 1 && p != "Query" {
		return ""
	}
	return p
}

type writer struct{ b []byte }

func (w *writer) raw(parts ...string) {
	for _, p := range parts {
		w.b = append(w.b, p...)
	}
}

func (w *writer) coding(system, code, display string) {
	w.b = fhir.AppendCoding(w.b, fhir.Coding{System: system, Code: code, Display: display})
}

func quote(s string) string { return string(fhir.AppendString(nil, s)) }

const dicom = "http://dicom.nema.org/resources/ontology/DCM"

// restful are the codes of http://hl7.org/fhir/restful-interaction that an
// entry may name; any other interaction is an operation.
var restful = map[string]bool{
	"create": true, "read": true, "vread": true, "update": true, "delete": true, "patch": true,
	"search-type": true, "search-system": true, "history-instance": true, "history-type": true,
	"history-system": true, "transaction": true, "batch": true, "capabilities": true,
}

func (w *writer) kind(e Entry) {
	if strings.HasPrefix(e.Interaction, "token-") || e.Interaction == "access-refused" {
		w.raw(`"type":`)
		w.coding(dicom, "110114", "User Authentication")
		w.raw(`,"subtype":[`)
		w.coding("https://trellis.example/fhir/CodeSystem/audit-interaction", e.Interaction, "")
		w.raw(`]`)
		return
	}
	w.raw(`"type":`)
	w.coding("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest", "Restful Operation")
	w.raw(`,"subtype":[`)
	if restful[e.Interaction] {
		w.coding("http://hl7.org/fhir/restful-interaction", e.Interaction, e.Interaction)
	} else {
		w.coding("http://hl7.org/fhir/restful-interaction", "operation", "operation")
		w.raw(`,`)
		w.coding("https://trellis.example/fhir/CodeSystem/audit-interaction", e.Interaction, "")
	}
	w.raw(`]`)
}

// agents writes the client, the server and the organisation (BALP slices client,
// server and user).
func (w *writer) agents(e Entry, site string) {
	client, server := fhir.Coding{System: dicom, Code: "110153", Display: "Source Role ID"}, fhir.Coding{System: dicom, Code: "110152", Display: "Destination Role ID"}
	user := fhir.Coding{System: "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", Code: "CST", Display: "custodian"}
	switch e.Interaction {
	case "read", "vread", "history-instance", "history-type", "history-system", "everything", "meta":
		client, server = server, client
		user.Code, user.Display = "IRCP", "information recipient"
	case "search-type", "search-system":
		user.Code, user.Display = "IRCP", "information recipient"
	case "delete":
		client = fhir.Coding{System: dicom, Code: "110150", Display: "Application"}
		server = fhir.Coding{System: "http://terminology.hl7.org/CodeSystem/provenance-participant-type", Code: "custodian", Display: "Custodian"}
	}
	w.raw(`,"agent":[`)
	w.agent(client)
	w.role(e.Role)
	w.who("", e.Client)
	ods, org := strings.CutPrefix(e.Party, "org/")
	w.raw(`,"requestor":`, strconv.FormatBool(!org))
	if e.Address != "" {
		w.raw(`,"network":{"address":`, quote(e.Address), `,"type":"2"}`)
	}
	w.raw(`},`)
	w.agent(server)
	w.raw(`,"who":{"display":"Trellis"},"requestor":false,"network":{"address":`, quote(site), `,"type":"5"}}`)
	if org {
		w.raw(`,`)
		w.agent(user)
		w.who("https://fhir.nhs.uk/Id/ods-organization-code", ods)
		w.raw(`,"requestor":true}`)
	}
	w.raw(`]`)
}

func (w *writer) agent(typ fhir.Coding) {
	w.raw(`{"type":{"coding":[`)
	w.b = fhir.AppendCoding(w.b, typ)
	w.raw(`]}`)
}

func (w *writer) role(role string) {
	if role != "" {
		w.raw(`,"role":[{"coding":[`)
		w.coding("https://trellis.example/fhir/CodeSystem/partner-role", role, "")
		w.raw(`]}]`)
	}
}

func (w *writer) who(system, value string) {
	if value == "" {
		w.raw(`,"who":{"display":"not authenticated"}`)
		return
	}
	w.raw(`,"who":{"identifier":{`)
	if system != "" {
		w.raw(`"system":`, quote(system), `,`)
	}
	w.raw(`"value":`, quote(value), `}}`)
}

func (w *writer) entities(e Entry) {
	if e.RequestID == "" && len(e.Patients)+len(e.Entities) == 0 {
		return
	}
	w.raw(`,"entity":[`)
	from := len(w.b)
	if e.RequestID != "" {
		w.raw(`{"what":{"identifier":{"value":`, quote(e.RequestID), `}},"type":`)
		w.coding("https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "XrequestId", "")
		w.raw(`}`)
	}
	for _, p := range e.Patients {
		w.entity(from, p, "1", "Person", "1", "Patient")
	}
	for _, k := range e.Entities {
		if typ, names, isQuery := strings.Cut(k, "?"); isQuery {
			w.query(from, typ, names)
			continue
		}
		w.entity(from, k, "2", "System Object", "4", "Domain Resource")
	}
	w.raw(`]`)
}

func (w *writer) comma(from int) {
	if len(w.b) > from {
		w.raw(`,`)
	}
}

func (w *writer) entity(from int, ref, typ, typeName, role, roleName string) {
	w.comma(from)
	w.raw(`{"what":{"reference":`, quote(ref), `},"type":`)
	w.coding("http://terminology.hl7.org/CodeSystem/audit-entity-type", typ, typeName)
	w.raw(`,"role":`)
	w.coding("http://terminology.hl7.org/CodeSystem/object-role", role, roleName)
	w.raw(`}`)
}

func (w *writer) query(from int, typ, names string) {
	w.comma(from)
	w.raw(`{"type":`)
	w.coding("http://terminology.hl7.org/CodeSystem/audit-entity-type", "2", "System Object")
	w.raw(`,"role":`)
	w.coding("http://terminology.hl7.org/CodeSystem/object-role", "24", "Query")
	q := typ + "?" + strings.ReplaceAll(names, ",", "&")
	w.raw(`,"query":"`, base64.StdEncoding.EncodeToString([]byte(q)), `"}`)
}
