package published

// terminologyOperations are those on code systems, value sets and concept maps.
func terminologyOperations() []Operation {
	return []Operation{
		{Name: "expand", Title: "List a value set", Base: hl7 + "ValueSet-expand", Types: []string{"ValueSet"}, Type: true, Instance: true,
			About: "The codes of a value set, in pages if asked. One whose codes are not all held here is listed with the terminology server's help, or refused as too costly.",
			Params: []Param{
				in("url", "0", "1", "uri", "the value set; its version may follow |"), in("valueSetVersion", "0", "1", "string", ""), in("valueSet", "0", "1", "ValueSet", "the definition itself"),
				in("filter", "0", "1", "string", "words that begin words of the display, or the code"), in("offset", "0", "1", "integer", ""), in("count", "0", "1", "integer", ""),
				in("includeDesignations", "0", "1", "boolean", ""), in("activeOnly", "0", "1", "boolean", ""),
				in("excludeNested", "0", "1", "boolean", "lists are never nested"), in("excludeNotForUI", "0", "1", "boolean", "codes that group others are never listed"), in("excludePostCoordinated", "0", "1", "boolean", "they are never listed"),
				out("ValueSet", "with its expansion"),
			}},
		{Name: "lookup", Title: "Describe a code", Base: hl7 + "CodeSystem-lookup", Types: []string{"CodeSystem"}, Type: true,
			About: "What is known here of a code.",
			Params: []Param{
				in("code", "0", "1", "code", ""), in("system", "0", "1", "uri", ""), in("version", "0", "1", "string", ""), in("coding", "0", "1", "Coding", "instead of code and system"),
				in("property", "0", "*", "code", "only these properties; designation is one"),
				param("name", "1", "1", "string"), param("version", "0", "1", "string"), param("display", "1", "1", "string"), param("designation", "0", "*", "BackboneElement"), param("property", "0", "*", "BackboneElement"),
			}},
		{Name: "subsumes", Title: "Compare two codes", Base: hl7 + "CodeSystem-subsumes", Types: []string{"CodeSystem"}, Type: true,
			About: "Whether one code is a kind of the other, in code systems held here in full.",
			Params: []Param{
				in("codeA", "0", "1", "code", ""), in("codeB", "0", "1", "code", ""), in("system", "0", "1", "uri", ""), in("version", "0", "1", "string", ""), in("codingA", "0", "1", "Coding", ""), in("codingB", "0", "1", "Coding", ""),
				param("outcome", "1", "1", "code"),
			}},
		{Name: "translate", Title: "Translate a code", Base: hl7 + "ConceptMap-translate", Types: []string{"ConceptMap"}, Type: true, Instance: true,
			About: "What a code becomes in another vocabulary, with how close the two are.",
			Params: []Param{
				in("url", "0", "1", "uri", "the concept map"), in("conceptMapVersion", "0", "1", "string", ""), in("conceptMap", "0", "1", "ConceptMap", "the map itself"),
				in("code", "0", "1", "code", ""), in("system", "0", "1", "uri", ""), in("version", "0", "1", "string", ""), in("coding", "0", "1", "Coding", ""), in("codeableConcept", "0", "1", "CodeableConcept", ""),
				in("source", "0", "1", "uri", "a value set"), in("target", "0", "1", "uri", "a value set"), in("targetsystem", "0", "1", "uri", "a code system"), in("reverse", "0", "1", "boolean", "from target to source"),
				param("result", "1", "1", "boolean"), param("message", "0", "1", "string"), param("match", "0", "*", "BackboneElement"),
			}},
		{Name: "validate-code", Title: "Check a code", Base: hl7 + "ValueSet-validate-code", Types: []string{"CodeSystem", "ValueSet"}, Type: true, Instance: true,
			About: "Whether a code is in a value set, or in a code system. What cannot be decided is an error that says unable to check, never a false result.",
			Params: []Param{
				in("url", "0", "1", "uri", "the value set, or the code system"), in("valueSetVersion", "0", "1", "string", ""), in("valueSet", "0", "1", "ValueSet", "the definition itself"),
				in("code", "0", "1", "code", ""), in("system", "0", "1", "uri", ""), in("systemVersion", "0", "1", "string", ""), in("version", "0", "1", "string", "of a code system"), in("display", "0", "1", "string", ""),
				in("coding", "0", "1", "Coding", ""), in("codeableConcept", "0", "1", "CodeableConcept", "of which one coding suffices"), in("abstract", "0", "1", "boolean", "codes that group others will do"), in("inferSystem", "0", "1", "boolean", "find the system of code"),
				param("result", "1", "1", "boolean"), param("message", "0", "1", "string"), param("display", "0", "1", "string"),
			}},
	}
}

// param is one of several parameters of an answer.
func param(name, min, max, typ string) Param { return Param{name, "out", min, max, typ, ""} }
