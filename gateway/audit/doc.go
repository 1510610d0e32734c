// Package audit is the record of who did what to which resource. An entry is
// compact; it is written in the same commit as the change it records (or
// before a read is answered), indexed behind the commit, and rendered as an
// IHE BALP AuditEvent when it is read.
//
// No entry holds a value of a document: only keys, parties, codes and times.
//
// # How an entry looks as an AuditEvent
//
// Its id is the commit number and the place in that commit, "184-0". The type is
// "rest" with the FHIR interaction as subtype; tokens are DICOM 110114 (User
// Authentication). Agents are the client (with its network address and partner
// role), this server, and the client's organisation when it has one. Sources and
// destinations follow BALP: the client is the source of a create, update or
// search and the destination of a read. Entities are, in this order, the
// X-Request-ID (type XrequestId), the patients (type 1, role 1), the resources
// (type 2, role 4) and for a search the query (type 2, role 24).
//
// A search names its parameters and never their values, so entity.query decodes
// to "ServiceRequest?identifier&status". That is less than BALP asks for, on
// purpose: an audit log must not become a second copy of NHS numbers.
//
// meta.profile claims IHE.BasicAudit.Create, Read, Update, Delete or Query (or
// the Patient variant) only when the entry fits it: successful, one resource,
// at most one patient. A search that showed several patients names them all in
// one AuditEvent and claims Query.
package audit
