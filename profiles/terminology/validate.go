package terminology

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"trellis.example/fhir"
)

// A Coding is a code with what was said beside it.
type Coding struct{ System, Version, Code, Display string }

// A ValidateRequest asks whether a code is in a value set, or in a code system
// when neither URL nor ValueSet is set (R4 $validate-code).
type ValidateRequest struct {
	// URL is the canonical of a value set; or ValueSet is the definition itself.
	URL      string
	ValueSet fhir.Resource
	// Codings are the code, or those of a CodeableConcept, of which one suffices.
	Codings []Coding
	// InferSystem allows a code without system: it is looked for in all systems
	// of the value set.
	InferSystem bool
	// Abstract allows codes that only group others.
	Abstract bool
}

// A ValidateResult is the answer. Message says why it is not yes, or what is
// wrong beside; it holds no text of the request.
type ValidateResult struct {
	Answer  Answer
	Message string
	// System, Code and Display are the coding that the answer is about; Display
	// is the text held here, "" when none is.
	System, Code, Display string
}

// ValidateCode checks a code. The error is for a question that cannot be
// answered as put; a code that what is held does not decide is Unknown.
func (s *Service) ValidateCode(q ValidateRequest) (*ValidateResult, error) {
	if len(q.Codings) == 0 {
		return nil, fhir.StatusErrorf(http.StatusBadRequest, fhir.Required, "send a code, a coding or a codeableConcept")
	}
	var set *Set
	if q.URL != "" || q.ValueSet.Type() == "ValueSet" {
		var err error
		if set, err = s.asked(q.URL, q.ValueSet); err != nil {
			return nil, err
		}
	}
	var best *ValidateResult
	for _, c := range q.Codings {
		r, err := s.validateOne(set, c, q)
		if err != nil {
			return nil, err
		}
		if best == nil || rank(r.Answer) > rank(best.Answer) {
			best = r
		}
	}
	return best, nil
}

func rank(a Answer) int {
	switch a {
	case Yes:
		return 2
	case Unknown:
		return 1
	}
	return 0
}

func (s *Service) validateOne(set *Set, c Coding, q ValidateRequest) (*ValidateResult, error) {
	if c.System == "" {
		if set == nil || !q.InferSystem {
			return nil, fhir.StatusErrorf(http.StatusBadRequest, fhir.Required, "a code needs its system, or inferSystem with a value set")
		}
		found, why := set.infer(c.Code)
		if why != "" {
			return &ValidateResult{Answer: set.HasCode(c.Code), Code: c.Code, Message: why}, nil
		}
		c.System = found
	}
	r := &ValidateResult{System: c.System, Code: c.Code}
	r.Display, _ = s.Display(c.System, c.Code)
	if set == nil {
		s.inSystem(r, c)
	} else {
		s.inSet(r, set, c, q.Abstract)
	}
	if r.Answer == Yes {
		s.checkDisplay(r, c)
	}
	return r, nil
}

// infer finds the one system of the set that has the code; why says what stands
// in the way.
func (s *Set) infer(code string) (system, why string) {
	var found []string
	s.systems(func(u string) {
		if s.Has(u, code) == Yes && !slices.Contains(found, u) {
			found = append(found, u)
		}
	})
	switch {
	case len(found) == 1:
		return found[0], ""
	case len(found) > 1:
		return "", "the code is in several systems of the value set; name one"
	case s.HasCode(code) == Unknown:
		return "", "unable to check: name the system of the code"
	}
	return "", "the code is in no system of the value set"
}

// systems calls f for each system that the set names.
func (s *Set) systems(f func(url string)) {
	for i := range s.include {
		if p := &s.include[i]; p.url != "" {
			f(p.url)
		}
		for _, imported := range s.include[i].imports {
			imported.systems(f)
		}
	}
}

func (s *Service) inSystem(r *ValidateResult, c Coding) {
	sys := s.system(c.System, c.Version)
	switch r.Answer = formOf(c.System)(c.Code); {
	case sys != nil:
		r.Answer = sys.has(c.Code)
	case r.Answer == Unknown:
		r.Message = "unable to check: the code system is not held here"
	}
	switch {
	case r.Answer == No:
		r.Message = "the code system has no such code" + formHint(c.System)
	case r.Answer == Unknown && r.Message == "":
		r.Message = "unable to check: the code system is not held here in full"
	}
}

func formHint(system string) string {
	if system == fhir.SNOMEDSystem {
		return ": it has not the form and check digit of a concept"
	}
	return ""
}

func (s *Service) inSet(r *ValidateResult, set *Set, c Coding, abstract bool) {
	r.Answer = set.Has(c.System, c.Code)
	known := s.concept(c.System, c.Version, c.Code)
	if r.Answer == No && abstract && known != nil && known.Abstract {
		r.Answer = set.hasAbstract(c.System, c.Code)
	}
	switch r.Answer {
	case No:
		r.Message = s.whyNot(set, c, known)
	case Unknown:
		r.Message = "unable to check"
		if _, why := set.Listed(); why != "" {
			r.Message += ": " + why
		}
	}
}

// hasAbstract looks for a grouping code in parts that take whole systems or
// select from them.
func (s *Set) hasAbstract(system, code string) Answer {
	for i := range s.include {
		p := &s.include[i]
		if p.url == system && p.concept(code) != nil && len(p.imports) == 0 {
			return Yes
		}
	}
	return No
}

func (s *Service) whyNot(set *Set, c Coding, known *Concept) string {
	uses := false
	set.systems(func(u string) { uses = uses || u == c.System })
	switch {
	case known != nil && known.Abstract:
		return "the code groups others and must not be used itself"
	case !uses:
		return "the value set has no codes of that system"
	case known != nil:
		return "the code exists and is not in the value set"
	case s.Code(c.System, c.Code) == No:
		return "the code system has no such code" + formHint(c.System)
	}
	return "the code is not in the value set"
}

// checkDisplay compares the text sent with those held. Where all texts of a
// system are held a wrong one makes the answer no, as R4 asks; elsewhere it is
// only remarked on.
func (s *Service) checkDisplay(r *ValidateResult, c Coding) {
	known := s.concept(c.System, c.Version, c.Code)
	if c.Display == "" || known == nil || known.Display == "" || sameText(known.Display, c.Display) {
		return
	}
	for _, d := range known.Designations {
		if sameText(d.Value, c.Display) {
			return
		}
	}
	if sys := s.system(c.System, c.Version); sys != nil && sys.complete {
		r.Answer = No
		r.Message = fmt.Sprintf("the code is valid and its display is not: it is %q", known.Display)
		return
	}
	r.Message = "the code is valid; its display is not among those held here"
}

// sameText compares displays without regard to case and spacing.
func sameText(a, b string) bool {
	return strings.EqualFold(strings.Join(strings.Fields(a), " "), strings.Join(strings.Fields(b), " "))
}
