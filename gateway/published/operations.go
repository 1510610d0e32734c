package published

import (
	"slices"
	"strings"
)

// An Operation is a FHIR operation that the gateway serves.
type Operation struct {
	// Name is its code without "$".
	Name  string
	Title string
	// Base is the R4 definition that it follows, or "" for one of ours.
	Base string
	// Types are the resource types it is called on; empty for the system
	// level alone. "Resource" is any type.
	Types []string
	// System, Type and Instance are the levels it is called at.
	System, Type, Instance bool
	// Changes reports that it writes.
	Changes bool
	Params  []Param
	About   string
}

// A Param is a parameter of an operation.
type Param struct {
	Name, Use, Min, Max, Type, About string
}

const hl7 = "http://hl7.org/fhir/OperationDefinition/"

func in(name, min, max, typ, about string) Param { return Param{name, "in", min, max, typ, about} }

func out(typ, about string) Param { return Param{"return", "out", "1", "1", typ, about} }

// Operations returns the operations that are served, sorted by name.
func Operations() []Operation {
	list := slices.Concat(recordOperations(), terminologyOperations())
	slices.SortFunc(list, func(a, b Operation) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// recordOperations are those on resources of any kind and on the system.
func recordOperations() []Operation {
	const bulk = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
	exportParams := []Param{
		in("_outputFormat", "0", "1", "string", "application/fhir+ndjson, the default"),
		in("_since", "0", "1", "instant", "only what was changed later"),
		in("_type", "0", "*", "string", "resource types, separated by commas"),
	}
	return []Operation{
		{Name: "everything", Title: "Everything about a person or a referral", Base: hl7 + "Patient-everything", Types: []string{"Patient", "ServiceRequest"}, Instance: true,
			About: "All that the caller may see of a person's record, or of a whole referral: its Tasks, plan, contacts, outcomes and messages.",
			Params: []Param{
				in("start", "0", "1", "date", "care from this day on"), in("end", "0", "1", "date", "care until this day"), in("_since", "0", "1", "instant", "only what was changed later"),
				in("_type", "0", "*", "code", "resource types"), in("_count", "0", "1", "integer", "size of a page"), out("Bundle", "a searchset"),
			}},
		{Name: "export", Title: "Bulk export", Base: bulk + "export", Types: []string{"Patient", "Group"}, System: true, Type: true, Instance: true,
			About: "Exports what the caller may see as NDJSON files, by the asynchronous pattern.", Params: exportParams},
		{Name: "import", Title: "Bulk import", System: true, Changes: true,
			About:  "Takes NDJSON of existing records with their ids. The body is application/fhir+ndjson, one resource a line.",
			Params: []Param{out("Parameters", "how many resources were created, updated, left unchanged and refused")}},
		{Name: "meta", Title: "Read meta", Base: hl7 + "Resource-meta", Types: []string{"Resource"}, System: true, Type: true, Instance: true,
			About: "The profiles, tags and security labels in use.", Params: []Param{out("Meta", "")}},
		{Name: "meta-add", Title: "Add to meta", Base: hl7 + "Resource-meta-add", Types: []string{"Resource"}, Instance: true, Changes: true,
			About: "Adds profiles, tags and security labels.", Params: []Param{in("meta", "1", "1", "Meta", "what is added"), out("Meta", "")}},
		{Name: "meta-delete", Title: "Take from meta", Base: hl7 + "Resource-meta-delete", Types: []string{"Resource"}, Instance: true, Changes: true,
			About: "Takes profiles, tags and security labels away.", Params: []Param{in("meta", "1", "1", "Meta", "what is taken away"), out("Meta", "")}},
		{Name: "process-message", Title: "Process a message", Base: hl7 + "MessageHeader-process-message", System: true, Changes: true,
			About: "Takes a BaRS message.", Params: []Param{in("content", "1", "1", "Bundle", "the message"), out("Bundle", "the response")}},
		{Name: "validate", Title: "Validate a resource", Base: hl7 + "Resource-validate", Types: []string{"Resource"}, Type: true, Instance: true,
			About: "Judges a resource as a create, update or delete would, and stores nothing.",
			Params: []Param{
				in("resource", "0", "1", "Resource", "what is judged"), in("mode", "0", "1", "code", "create, update, delete or profile"), in("profile", "0", "1", "uri", "a profile it must follow"),
				out("OperationOutcome", "what was found"),
			}},
	}
}

// Definition returns the canonical of an operation's definition on the server
// with that FHIR base.
func (o Operation) Definition(base string) string { return base + "/OperationDefinition/" + o.Name }

func operationDefinitions(base string) []object {
	var list []object
	for _, o := range Operations() {
		list = append(list, o.definition(base))
	}
	return list
}

func (o Operation) definition(base string) object {
	d := object{
		"id": o.Name, "url": o.Definition(base), "name": camel(o.Name), "title": o.Title, "status": "active", "kind": "operation",
		"description": o.About, "affectsState": o.Changes, "code": o.Name, "system": o.System, "type": o.Type, "instance": o.Instance,
	}
	if strings.HasPrefix(o.Base, hl7) {
		d["base"] = o.Base
	}
	if len(o.Types) > 0 {
		d["resource"] = o.Types
	}
	var params []object
	for _, p := range o.Params {
		params = append(params, p.object())
	}
	d["parameter"] = params
	return d
}

func (p Param) object() object {
	n := 0
	if p.Min == "1" {
		n = 1
	}
	o := object{"name": p.Name, "use": p.Use, "min": n, "max": p.Max, "type": p.Type}
	if p.About != "" {
		o["documentation"] = p.About
	}
	return o
}

// camel makes a name for programs of a code: "MetaAdd".
func camel(code string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(code, "-") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}
