package profiles

import "strings"

// The ids of the rules that the package enforces by itself. R4's invariants
// have their own keys, our profiles' begin with tr- or prsb-, and what a profile
// says of an element is "Profile#element".
const (
	ruleBinding          = "binding"
	ruleBundleDocument   = "bundle-document"
	ruleBundleMessage    = "bundle-message"
	ruleBundleReached    = "bundle-reached"
	ruleBundleReference  = "bundle-reference"
	ruleCanonical        = "canonical-absolute"
	ruleCardinality      = "cardinality"
	ruleChoice           = "choice"
	ruleCodeUnknown      = "code-unknown"
	ruleContainedMeta    = "dom-4"
	ruleContainedLabel   = "dom-5"
	ruleContainedUsed    = "dom-3"
	ruleContext          = "extension-context"
	ruleContextInvariant = "extension-context-invariant"
	ruleDisplay          = "display"
	ruleElement          = "ele-1"
	ruleEmpty            = "empty"
	ruleExtension        = "ext-1"
	ruleFormFaulty       = "q-questionnaire"
	ruleFormUnknown      = "questionnaire-unknown"
	ruleFormVersion      = "q-version"
	ruleFormat           = "format"
	ruleFullURL          = "full-url"
	ruleModifier         = "modifier-extension"
	ruleModifierPlace    = "extension-modifier"
	ruleMore             = "more"
	ruleNarrative        = "txt-1"
	ruleNarrativeEmpty   = "txt-2"
	ruleNarrativeStatus  = "narrative-status"
	ruleNestedResource   = "dom-2"
	ruleNHSNumber        = "nhs-number"
	rulePart             = "extension-part"
	ruleProfileType      = "profile-type"
	ruleReference        = "reference"
	ruleLocal            = "ref-1"
	ruleRequest          = "bundle-request"
	ruleResponse         = "bundle-response"
	ruleSimpleQuantity   = "sqty-1"
	ruleSNOMED           = "snomed"
	ruleTarget           = "reference-target"
	ruleSexApart         = "tr-sex-apart"
	ruleSpecialty        = "tr-specialty"
	ruleSignpostTask     = "tr-signpost-task"
	ruleTextLength       = "tr-text-length"
	ruleType             = "type"
	ruleUCUM             = "ucum"
	ruleUnchecked        = "terminology-unchecked"
	ruleUnknownElement   = "unknown-element"
	ruleUnknownProfile   = "unknown-profile"
	ruleUnresolved       = "reference-unresolved"
	ruleUntimely         = "invariant-unchecked"
)

// A remedy says what to do about a broken rule.
type remedy struct {
	// hint is one sentence; a sharper one takes its place where there is one.
	hint string
	// at is the element of R4 whose definition states the rule; "": that of the
	// place itself.
	at string
}

// remedies is the registry of rule ids: what the package may emit has a line
// here, or is an invariant. The table is only read.
var remedies = map[string]remedy{
	ruleBinding:          {hint: "Choose a code of the value set that the message names."},
	ruleBundleDocument:   {hint: "Begin the document with its Composition and give the Bundle an identifier and a timestamp.", at: "Bundle"},
	ruleBundleMessage:    {hint: "Begin the message with its MessageHeader.", at: "Bundle"},
	ruleBundleReached:    {hint: "Refer to the entry from the Composition or MessageHeader, directly or through other entries, or leave it out.", at: "Bundle"},
	ruleBundleReference:  {hint: "Refer to the entry by its fullUrl, or by Type/id where the fullUrl ends in Type/id.", at: "Reference.reference"},
	ruleCardinality:      {hint: "Give the element as often as the definition asks."},
	ruleChoice:           {hint: "Keep the type that says it best and leave the others out."},
	ruleCodeUnknown:      {hint: "Look the code up in the code system; check its spelling and letter case.", at: "Coding.code"},
	ruleContainedMeta:    {hint: "Leave versionId and lastUpdated out: a contained resource has no life of its own.", at: "DomainResource"},
	ruleContainedLabel:   {hint: "Put the security labels on the resource that contains this one.", at: "DomainResource"},
	ruleContext:          {hint: "Put the extension on an element that its definition names.", at: "Element.extension"},
	ruleContextInvariant: {hint: "Read the condition in the extension's definition.", at: "Element.extension"},
	ruleModifierPlace:    {hint: "Move the extension to the member that its definition asks for.", at: "Element.extension"},
	rulePart:             {hint: "Leave the part out, or name it as the extension's definition does.", at: "Extension.extension"},
	ruleContainedUsed:    {hint: "Refer to the contained resource by #id from the resource around it, or leave it out.", at: "DomainResource"},
	ruleDisplay:          {hint: "Send the display that the code system gives, or leave display out and put your own words in text.", at: "Coding.display"},
	ruleElement:          {hint: "Leave the element out, or give it a value.", at: "Element"},
	ruleEmpty:            {hint: "Leave the member out when there is nothing to say."},
	ruleExtension:        {hint: "Give the extension one value[x], or extensions inside it.", at: "Extension"},
	ruleFormFaulty:       {hint: "Validate the Questionnaire and mend what is found.", at: "QuestionnaireResponse.questionnaire"},
	ruleFormUnknown:      {hint: "Send the Questionnaire first, or contain it in the response.", at: "QuestionnaireResponse.questionnaire"},
	ruleFormVersion:      {hint: "Name the version that was filled in.", at: "QuestionnaireResponse.questionnaire"},
	ruleFormat:           {hint: "Write the value in the form that the message names."},
	ruleFullURL:          {hint: "Use urn:uuid: with a UUID in lower case, or the full address that ends in the resource's type and id.", at: "Bundle.entry.fullUrl"},
	ruleModifier:         {hint: "Agree the modifier extension with the receiver first, or say the same with an element of FHIR.", at: "DomainResource.modifierExtension"},
	ruleMore:             {hint: "Mend the faults that are listed and send the document again."},
	ruleNarrative:        {hint: "Send formatting only: no scripts, forms, frames or links that run; or leave the narrative out.", at: "Narrative.div"},
	ruleNarrativeEmpty:   {hint: "Write what a reader needs to know, or leave the narrative out.", at: "Narrative.div"},
	ruleNarrativeStatus:  {hint: "Say generated when the text is made from the data, additional when it says more.", at: "Narrative.status"},
	ruleNestedResource:   {hint: "Move the inner resource up into the outer resource's contained.", at: "DomainResource"},
	ruleNHSNumber:        {hint: "Check the number against the Personal Demographics Service; leave the identifier out when it is not known."},
	ruleProfileType:      {hint: "Claim a profile of this resource's type, or none."},
	ruleReference:        {hint: "Write Type/id, such as Patient/1, a full URL, #id of a contained resource, or urn:uuid: of a Bundle entry.", at: "Reference.reference"},
	ruleLocal:            {hint: "Add the resource to contained with this id, or mend the id after #.", at: "Reference"},
	ruleRequest:          {hint: "Make method, url and resource of the entry agree.", at: "Bundle.entry.request"},
	ruleResponse:         {hint: "Begin the status with the three digits of the HTTP status, such as 201 Created.", at: "Bundle.entry.response.status"},
	ruleSimpleQuantity:   {hint: "Leave comparator out: this quantity must be exact.", at: "Quantity"},
	ruleSNOMED:           {hint: "Copy the whole SNOMED CT identifier again; spreadsheets shorten long numbers.", at: "Coding.code"},
	ruleTarget:           {hint: "Refer to a resource of one of the types named."},
	ruleSexApart:         {hint: "Send the sex as an Observation with a restricted label, or leave it out."},
	ruleSpecialty:        {hint: "Leave the specialty out and name the service in text."},
	ruleSignpostTask:     {hint: "Leave the Task out, or refer instead of signposting."},
	ruleTextLength:       {hint: "Shorten it where that loses nothing."},
	ruleType:             {hint: "Write the value as the JSON kind that the message names."},
	ruleCanonical:        {hint: "Write the url of the resource that is meant, not its address on a server."},
	ruleUCUM:             {hint: "Write the unit as UCUM has it, such as kg, mm[Hg] or /min; put words for people in unit.", at: "Quantity.code"},
	ruleUnchecked:        {hint: "Check the code by hand, or send the document again when the terminology server is back."},
	ruleUnknownElement:   {hint: "Check the spelling, or move the information to an element that FHIR has or to an extension."},
	ruleUnknownProfile:   {hint: "Check the canonical; ask for the profile to be added if it is agreed.", at: "Meta.profile"},
	ruleUnresolved:       {hint: "Send the resource first, or mend the reference.", at: "Reference.reference"},
	ruleUntimely:         {hint: "Check this rule by hand, or ask its author for a simpler expression."},
}

// invariantHint is for R4's invariants and those of profiles, whose text says
// what must hold.
const invariantHint = "Change the elements that the rule names until it holds."

// invariantHints are sharper for the invariants that senders break most.
var invariantHints = map[string]string{
	"att-1":  "Give contentType beside data, such as application/pdf.",
	"bdl-1":  "Leave total out: it counts the matches of a search or a history.",
	"bdl-2":  "Leave entry.search out unless the Bundle is a searchset.",
	"bdl-3":  "Give every entry a request in a batch, transaction or history, and none in any other Bundle.",
	"bdl-4":  "Give every entry a response in a batch-response, transaction-response or history, and none in any other Bundle.",
	"bdl-7":  "Give every entry its own fullUrl.",
	"bdl-8":  "Leave /_history/ out of the fullUrl; the version stands in meta.versionId.",
	"bdl-9":  "Give the document an identifier with system and value.",
	"bdl-10": "Give the document a timestamp.",
	"bdl-11": "Put the Composition first.",
	"bdl-12": "Put the MessageHeader first.",
	"con-3":  "Give clinicalStatus, unless the condition was entered in error.",
	"con-5":  "Leave clinicalStatus out when the condition was entered in error.",
	"cpt-2":  "Say what the value is: phone, email, sms, url or other, in system.",
	"obs-6":  "Leave dataAbsentReason out where there is a value.",
	"obs-7":  "Put the value in the component or on the observation, not both.",
	"org-1":  "Give the organisation a name or an identifier.",
	"pat-1":  "Give the contact a name, a phone number or address, or an organisation.",
	"per-1":  "Swap start and end, or mend the one that is wrong.",
	"qty-3":  "Give system beside code, such as http://unitsofmeasure.org.",
	"que-2":  "Give each item of the questionnaire its own linkId.",
	"qrs-1":  "Nest items under item when they belong to a group, under answer when they follow from an answer.",
	"rng-2":  "Swap low and high, or mend the one that is wrong.",
}

// remedyOf returns the remedy of any rule.
func remedyOf(rule string) remedy {
	if r, ok := remedies[rule]; ok {
		return r
	}
	if h := invariantHints[rule]; h != "" {
		return remedy{hint: h}
	}
	if strings.HasPrefix(rule, "tr-") || strings.HasPrefix(rule, "prsb-") {
		return remedy{hint: "Add or change what the rule asks for; the page of the profile says what it is for."}
	}
	return remedy{hint: invariantHint}
}
