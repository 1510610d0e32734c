package profiles

import (
	"slices"
	"strings"

	"trellis.example/fhir"
)

// riskCategories are flag categories that are risks, to the person or to staff:
// those of HL7, of BaRS and ours.
var riskCategories = []string{"safety", "behavioral", "SS", "API", "risk", "no-known-risk"}

// safeguardingCategories are those of safeguarding concerns, which are a section
// of their own in PRSB: such a flag is no risk entry, whatever else it is
// marked as.
var safeguardingCategories = []string{"SG", "safeguarding"}

func isSafeguarding(v fhir.Value) bool { return hasCode(v.Get("category"), safeguardingCategories) }

// hasRisk looks for a risk entry: a RiskAssessment, a Flag of a risk category, a
// Condition or Flag coded as at-risk finding, a List of risks with entries or
// with the reason that none are known, a detected issue, or a RiskAssessment that the
// request refers to.
func (s *referral) hasRisk() bool {
	for info := range s.request.Get("supportingInfo").Items() {
		if r, ok := fhir.ParseReference(info.Get("reference").Text()); ok && r.Type == "RiskAssessment" {
			return true
		}
	}
	return slices.ContainsFunc(s.parts, func(p part) bool {
		switch p.typ {
		case "RiskAssessment", "DetectedIssue":
			return true
		case "Flag":
			return hasCode(p.v.Get("category"), riskCategories) && !isSafeguarding(p.v) || isRiskText(p.v.Get("code"))
		case "List":
			return isRiskList(p.v)
		case "Condition":
			return isRiskText(p.v.Get("code")) || hasCode(p.v.Get("category"), []string{"risk"})
		}
		return false
	})
}

func hasCode(concepts fhir.Value, codes []string) bool {
	for c := range concepts.Items() {
		for coding := range c.Get("coding").Items() {
			if slices.Contains(codes, coding.Get("code").Text()) {
				return true
			}
		}
	}
	return false
}

// isRiskList takes an empty list for a risk entry only when it says that no
// risks are known: that nobody asked, or that it is withheld, is no entry.
func isRiskList(v fhir.Value) bool {
	return (hasCode(v.Get("code"), []string{"risks", "risk"}) || mentionsRisk(v.Get("title").Text())) &&
		(v.Get("entry").Len() > 0 || hasCodeOf(v.Get("emptyReason"), "nilknown"))
}

// isRiskText recognises the words of such findings, because the hierarchy below
// SNOMED CT's 281694009 is not held here. "No known risks" is an entry too.
func isRiskText(code fhir.Value) bool {
	if mentionsRisk(code.Get("text").Text()) {
		return true
	}
	for c := range code.Get("coding").Items() {
		if c.Get("code").Text() == "281694009" || mentionsRisk(c.Get("display").Text()) {
			return true
		}
	}
	return false
}

func mentionsRisk(s string) bool {
	for word := range strings.FieldsFuncSeq(strings.ToLower(s), func(r rune) bool { return r < 'a' || r > 'z' }) {
		if word == "risk" || word == "risks" {
			return true
		}
	}
	return false
}
