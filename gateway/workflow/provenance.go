package workflow

import (
	"encoding/json"
	"time"

	models "github.com/samply/golang-fhir-models/fhir-models/fhir"

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
// sent them, through which map, from which original.
func Provenance(o Origin) ([]byte, error) {
	activity := "CREATE"
	if o.Update {
		activity = "UPDATE"
	}
	p := models.Provenance{
		Recorded: fhir.Instant(o.Now),
		Activity: concept(dataOperation, activity, ""),
		Agent: []models.ProvenanceAgent{
			agent("author", o.sender()),
			agent("assembler", models.Reference{Display: new("Trellis gateway")}),
		},
	}
	p.Activity.Coding[0].Display = nil
	for _, t := range o.Targets {
		p.Target = append(p.Target, ref(t))
	}
	if o.Hash != "" {
		p.Entity = []models.ProvenanceEntity{{
			Role: models.ProvenanceEntityRoleSource,
			What: models.Reference{Identifier: &models.Identifier{System: new(hashSystem), Value: new(o.Hash)}},
		}}
	}
	if o.Map != "" {
		p.Extension = []models.Extension{{Url: mapURL, ValueString: new(o.Map)}}
	}
	return json.Marshal(p)
}

// sender refers to the sender logically: by ODS code where it has one.
func (o Origin) sender() models.Reference {
	id := &models.Identifier{System: new(clientSystem), Value: new(o.Client)}
	if o.Org != "" {
		id = &models.Identifier{System: new(odsSystem), Value: new(o.Org)}
	}
	return models.Reference{Type: new("Organization"), Identifier: id}
}

func agent(role string, who models.Reference) models.ProvenanceAgent {
	return models.ProvenanceAgent{Type: concept(participationType, role, role), Who: who}
}
