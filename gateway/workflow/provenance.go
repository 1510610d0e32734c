package workflow

import (
	"time"

	"trellis.example/fhir"
)

const (
	participationType = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
	dataOperation     = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
	odsSystem         = "https://fhir.nhs.uk/Id/ods-organization-code"
	clientSystem      = "https://trellis.example/fhir/sid/client-id"
	hashSystem        = "https://trellis.example/fhir/sid/original-sha256"
	mapURL            = "https://trellis.example/fhir/StructureDefinition/provenance-map"
)

// An Origin says where a set of resources came from.
type Origin struct {
	// Targets are the versions made: "Type/id/_history/n".
	Targets []string
	// Org is the sender's ODS code, or "" when it has none; Client its
	// OAuth2 client id.
	Org, Client string
	// Map names the map that read the document and its version ("ppn-csv
	// 1.0.0"); "" for a document that was FHIR already.
	Map string
	// Hash is the SHA-256 of the original as received, in hexadecimal.
	Hash string
	// Update says that earlier versions were replaced.
	Update bool
	Now    time.Time
}

// Provenance returns the Provenance of the resources as JSON, without id: who
// sent them, through which map, from which original. It is written without
// reflection: every record of a file has one.
func Provenance(o Origin) ([]byte, error) {
	b := make([]byte, 0, 1024+64*len(o.Targets))
	b = append(b, '{')
	if o.Map != "" {
		b = appendText(append(b, `"extension":[{"url":"`+mapURL+`","valueString":`...), o.Map, `}],`)
	}
	b = append(b, `"target":[`...)
	for i, t := range o.Targets {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"reference":`...), t, `}`)
	}
	activity := "CREATE"
	if o.Update {
		activity = "UPDATE"
	}
	b = append(b, `],"recorded":"`+fhir.Instant(o.Now)+`","activity":{"coding":[{"system":"`+dataOperation+`","code":"`+activity+`"}]},"agent":[`...)
	system, value := clientSystem, o.Client // the sender is named logically: by ODS code where it has one
	if o.Org != "" {
		system, value = odsSystem, o.Org
	}
	b = append(b, agent+`"author","display":"author"}]},"who":{"type":"Organization","identifier":{"system":"`+system+`","value":`...)
	b = appendText(b, value, `}}},`+agent+`"assembler","display":"assembler"}]},"who":{"display":"Trellis gateway"}}]`)
	if o.Hash != "" {
		b = append(b, `,"entity":[{"role":"source","what":{"identifier":{"system":"`+hashSystem+`","value":`...)
		b = appendText(b, o.Hash, `}}}]`)
	}
	return append(b, `,"resourceType":"Provenance"}`...), nil
}

// agent begins an agent up to its code.
const agent = `{"type":{"coding":[{"system":"` + participationType + `","code":`

// appendText appends a JSON string and what follows it.
func appendText(b []byte, s, behind string) []byte { return append(fhir.AppendString(b, s), behind...) }
