package hl7v2

import (
	"strings"

	"trellis.example/mapping/codec/hl7v2"
)

// The answers of one questionnaire are an OBX each, and a QuestionnaireResponse
// has one status and one time. The map takes them from the first; that the
// others say the same is no loss, and on the way back they are said again.

// instruments are the codes (OBX-3.1) of each questionnaire's items, as the
// groups score_… of map.yaml have them.
func instruments() []string {
	return []string{
		" ONS4-SAT ONS4-WOR ONS4-HAP ONS4-ANX ons4-satisfied ons4-worthwhile ons4-happy ons4-anxious ",
		" SWEMWBS-RAW SWEMWBS-METRIC 718466001 swemwbs-metric ",
		" WEMWBS-TOTAL 718426000 ",
		" 44250-9 44255-8 44259-0 44254-1 44251-7 44258-2 44252-5 44253-3 44260-8 44261-6 720433000 ",
		" 69725-0 68509-9 69733-4 69734-2 69735-9 69689-8 69736-7 70274-6 445455005 ",
	}
}

// instrument returns the codes of the questionnaire that a code belongs to; ""
// for a code of none.
func instrument(code string) string {
	if code == "" || strings.Contains(code, " ") {
		return ""
	}
	for _, codes := range instruments() {
		if strings.Contains(codes, " "+code+" ") {
			return codes
		}
	}
	return ""
}

// firstScore returns the first OBX of the message that answers the same
// questionnaire as code.
func firstScore(m *hl7v2.Message, code string) hl7v2.Segment {
	codes := instrument(code)
	for i := range m.Len() {
		if s := m.Segment(i); s.Name() == "OBX" && codes != "" && instrument(scoreCode(s)) == codes {
			return s
		}
	}
	return hl7v2.Segment{}
}

func scoreCode(obx hl7v2.Segment) string { return obx.Field(3).Rep(0).Component(1).Text() }

// saidBefore reports the status and time of an answer that are those of the
// first answer to the same questionnaire.
func saidBefore(m *hl7v2.Message, p hl7v2.Path) bool {
	if p.Segment != "OBX" || p.Field != 11 && p.Field != 14 {
		return false
	}
	here := p
	here.Field, here.Component = 3, 1
	first := firstScore(m, m.At(here).Text())
	return first.Exists() && first.Field(p.Field).Rep(0).Text() == m.At(p).Text()
}

// undecided returns the first answer to a questionnaire when it does not say
// whether it is final.
func undecided(m *hl7v2.Message) hl7v2.Segment {
	for i := range m.Len() {
		s := m.Segment(i)
		if s.Name() == "OBX" && instrument(scoreCode(s)) != "" && s.Field(11).Rep(0).Text() == "" && firstScore(m, scoreCode(s)).Index() == s.Index() {
			return s
		}
	}
	return hl7v2.Segment{}
}

// twice returns the second answer to a question of a questionnaire: one message
// has room for one set of answers.
func twice(m *hl7v2.Message) hl7v2.Segment {
	seen := map[string]bool{}
	for i := range m.Len() {
		s := m.Segment(i)
		if s.Name() != "OBX" || instrument(scoreCode(s)) == "" {
			continue
		}
		if seen[scoreCode(s)] {
			return s
		}
		seen[scoreCode(s)] = true
	}
	return hl7v2.Segment{}
}
