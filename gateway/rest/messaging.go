package rest

import (
	"net/url"
	"slices"
	"strings"

	"trellis.example/fhir"
)

// messageContext takes the services out of the contexts that MessageDefinitions
// are asked for. A sender of the Booking and Referral Standard asks
// MessageDefinition?context=<service id>&context=<use case>; what is taken here
// is the same for every service, so that the use case alone decides.
func messageContext(types []string, params url.Values) url.Values {
	if len(types) != 1 || types[0] != "MessageDefinition" || !slices.ContainsFunc(params["context"], namesService) {
		return params
	}
	out := url.Values{}
	for name, values := range params {
		if name == "context" {
			values = slices.DeleteFunc(slices.Clone(values), namesService)
		}
		if len(values) > 0 {
			out[name] = values
		}
	}
	return out
}

// namesService reports an identifier of a service: digits, or a value in an
// identifier system of the NHS. A SNOMED CT code is digits too; the one for a
// referral to social prescribing names a use case.
func namesService(v string) bool {
	system, id, found := strings.Cut(v, "|")
	if found {
		return id != "" && strings.Contains(strings.ToLower(system), "fhir.nhs.uk/id/")
	}
	return v != "" && strings.Trim(v, "0123456789") == "" && v != referralCode && !(len(v) > 12 && fhir.SNOMEDConcept(v))
}

// referralCode is SNOMED CT's referral to social prescribing service.
const referralCode = "871731000000106"

// messaging states which messages are taken, and at what address.
func (a *API) messaging() []object {
	var supported []object
	for _, url := range a.Messages {
		supported = append(supported, object{"mode": "receiver", "definition": url})
	}
	return []object{{
		"endpoint": []object{{
			"protocol": object{"system": "http://terminology.hl7.org/CodeSystem/message-transport", "code": "http"},
			"address":  a.base + "/$process-message",
		}},
		"documentation": "Messages of the NHS Booking and Referral Standard (Core 1.1 to 1.4, payload rules of Application 5): a referral, its cancellation, and the response that ends one. " +
			"Answered at once; `async` is not taken. There is no national use case for social prescribing: `sp1` of the local system https://trellis.example/fhir/CodeSystem/local-usecases stands in for it, or SNOMED CT 871731000000106 on the request.",
		"supportedMessage": supported,
	}}
}
