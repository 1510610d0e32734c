package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const definitionBase = "http://hl7.org/fhir/StructureDefinition/"

// The parts of the conformance resources that are read.
type (
	structure struct {
		URL, Name, Kind, Type, Derivation, BaseDefinition string
		Abstract                                          bool
		ContextInvariant                                  []string
		Context                                           []struct{ Type, Expression string }
		Snapshot                                          struct{ Element []element }
	}
	element struct {
		ID, Path, Max, FixedURI string
		ContentReference        string
		Min                     int
		IsModifier, IsSummary   bool
		Type                    []elementType
		Binding                 *binding
		Constraint              []constraint
	}
	elementType struct {
		Code                   string
		Profile, TargetProfile []string
		Extension              []extension
	}
	extension struct{ URL, ValueURL, ValueString, ValueCanonical string }
	binding   struct {
		Strength, ValueSet string
		Extension          []extension
	}
	constraint struct{ Key, Severity, Human, Expression string }

	valueSet struct {
		URL, Version, Name, Title, Status string
		Compose                           struct{ Include, Exclude []include }
	}
	include struct {
		System   string
		ValueSet []string
		Concept  []concept
		Filter   []struct{ Property, Op, Value string }
	}
	concept struct {
		Code, Display string
		Concept       []concept
		Property      []struct {
			Code, ValueCode string
			ValueBoolean    bool
		}
	}
	codeSystem struct {
		URL, Version, Name, Title, Content string
		CaseSensitive                      bool
		Concept                            []concept
	}
	searchParameter struct {
		URL, Code, Type, Expression string
		Base, Target                []string
		Component                   []struct{ Definition, Expression string }
	}
	compartment struct {
		Code     string
		Resource []struct {
			Code  string
			Param []string
		}
	}
)

// A source is the package as far as it is read.
type source struct {
	structures   []structure
	valueSets    map[string]valueSet
	codeSystems  map[string]codeSystem // complete ones
	allSystems   []codeSystem
	params       []searchParameter
	compartments []compartment
}

func load(dir string) (*source, error) {
	s := &source{valueSets: map[string]valueSet{}, codeSystems: map[string]codeSystem{}}
	err := each(dir, "StructureDefinition", &s.structures)
	if err != nil {
		return nil, err
	}
	var sets []valueSet
	for _, err := range []error{
		each(dir, "ValueSet", &sets), each(dir, "CodeSystem", &s.allSystems),
		each(dir, "SearchParameter", &s.params), each(dir, "CompartmentDefinition", &s.compartments),
	} {
		if err != nil {
			return nil, err
		}
	}
	for _, v := range sets {
		s.valueSets[v.URL] = v
	}
	for _, c := range s.allSystems {
		if c.Content == "complete" {
			s.codeSystems[c.URL] = c
		}
	}
	return s, nil
}

// each reads every file of one resource type, in file name order.
func each[T any](dir, resourceType string, into *[]T) error {
	files, err := filepath.Glob(filepath.Join(dir, resourceType+"-*.json"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no %s files in %s", resourceType, dir)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		head := struct{ ResourceType string }{}
		if err := json.Unmarshal(b, &head); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
		if head.ResourceType != resourceType {
			continue
		}
		var v T
		if err := json.Unmarshal(b, &v); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
		*into = append(*into, v)
	}
	return nil
}

// short removes the canonical prefix of HL7's definitions and the version.
func short(url string) string {
	url, _, _ = strings.Cut(url, "|")
	return strings.TrimPrefix(url, definitionBase)
}
