package published

import (
	"strconv"

	"trellis.example/mapping/formats/bars"
)

// messageDefinitions are the messages that are taken, as a receiver of the
// Booking and Referral Standard publishes them. The use case is local, for
// there is no national one for social prescribing.
func messageDefinitions() []object {
	var out []object
	for _, d := range bars.Definitions() {
		var focus []object
		for _, f := range d.Focus {
			limit := "*"
			if f.Max >= 0 {
				limit = strconv.Itoa(f.Max)
			}
			focus = append(focus, object{"code": f.Type, "min": f.Min, "max": limit})
		}
		id := lastSegment(d.URL)
		o := object{
			"id": id, "url": d.URL, "version": bars.Newest(), "name": id, "title": d.Title, "status": "active", "date": "2026-11-23",
			"description":      d.About + " Application versions " + bars.Versions[0] + " to " + bars.Newest() + ". The use case sp1 is local: no national one for social prescribing exists.",
			"useContext":       []object{useCase()},
			"eventCoding":      object{"system": bars.EventSystem, "code": d.Event},
			"category":         "consequence",
			"focus":            focus,
			"responseRequired": "always",
		}
		out = append(out, o)
	}
	return out
}

// useCase is what the messages are for: a referral to social prescribing.
func useCase() object {
	return object{
		"code": object{"system": "http://terminology.hl7.org/CodeSystem/usage-context-type", "code": "task", "display": "Workflow Task"},
		"valueCodeableConcept": object{"coding": []object{
			{"system": bars.UseCaseSystem, "code": bars.UseCase, "display": "Social prescribing (local use case)"},
			{"system": "http://snomed.info/sct", "code": "871731000000106"},
		}},
	}
}
