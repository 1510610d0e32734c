// Package workflow starts and ends the work that a social prescribing referral
// asks for.
//
// An active social prescribing ServiceRequest gets one Task, whatever door it
// came through, in the same commit as the request itself. The Task says what
// is missing; nothing is filled in for the sender. A referral on which no
// consent and no other lawful basis is recorded is kept, but its Task is on
// hold until a person settles it.
package workflow

import (
	"slices"
	"strings"

	"trellis.example/fhir"
)

// Code systems and codes of the referral workflow.
const (
	SNOMED         = "http://snomed.info/sct"
	ReferralCode   = "871731000000106" // Referral to social prescribing service (procedure)
	CategorySystem = "https://trellis.example/fhir/CodeSystem/service-request-category"
	CategoryCode   = "social-prescribing"
	BusinessStatus = "https://trellis.example/fhir/CodeSystem/task-business-status"
	// ReferenceSystem is that of the references that people quote.
	ReferenceSystem = "https://trellis.example/fhir/sid/referral-reference"
	TagSystem       = "https://trellis.example/fhir/CodeSystem/task-tag"
	TagIncomplete   = "incomplete"
	TaskCodeSystem  = "http://hl7.org/fhir/CodeSystem/task-code"
	TaskProfile     = "https://trellis.example/fhir/StructureDefinition/Task"
	barsUseCases    = "/local-usecases"
	barsUseCaseCode = "sp1"
)

// IsReferral reports whether a ServiceRequest asks for social prescribing: by
// its SNOMED CT code, our category, or the local BaRS use case.
func IsReferral(sr fhir.Value) bool {
	if sr.Get("resourceType").Text() != "ServiceRequest" {
		return false
	}
	for c := range sr.At("code", "coding").Items() {
		if c.Get("system").Text() == SNOMED && c.Get("code").Text() == ReferralCode {
			return true
		}
	}
	for cat := range sr.Get("category").Items() {
		for c := range cat.Get("coding").Items() {
			sys, code := c.Get("system").Text(), c.Get("code").Text()
			if sys == CategorySystem && code == CategoryCode || strings.HasSuffix(sys, barsUseCases) && code == barsUseCaseCode {
				return true
			}
		}
	}
	return false
}

// IsActive reports whether a ServiceRequest is a live ask.
func IsActive(sr fhir.Value) bool { return sr.Get("status").Text() == "active" }

// PermitsSharing reports whether a Consent records permission or another
// lawful basis: active, and its provision does not deny.
func PermitsSharing(consent fhir.Value) bool {
	return consent.Get("resourceType").Text() == "Consent" &&
		consent.Get("status").Text() == "active" &&
		consent.At("provision", "type").Text() != "deny"
}

// Denies reports whether a Consent records that the person says no: it is
// rejected, or active with a provision that denies.
func Denies(consent fhir.Value) bool {
	status := consent.Get("status").Text()
	return consent.Get("resourceType").Text() == "Consent" &&
		(status == "rejected" || status == "active" && consent.At("provision", "type").Text() == "deny")
}

// requesterTypes are the types Task.requester may refer to (R4 Task.requester).
var requesterTypes = []string{"Device", "Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson"}

// ownerTypes are the types Task.owner may refer to (R4 Task.owner).
var ownerTypes = append(slices.Clone(requesterTypes), "CareTeam", "HealthcareService")

func typeOf(ref string) string {
	t, _, _ := strings.Cut(ref, "/")
	return t
}
