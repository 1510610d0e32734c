package questionnaire

// A rule is what a response or a Questionnaire is held to; expected is what was
// expected where nothing more exact can be said.
type rule struct{ id, text, hint, expected string }

// The rules of a response, each with its sentence and what to do.
var (
	ruleItem = rule{"q-item", "the Questionnaire has no item of this linkId",
		"Check the linkId against the version of the Questionnaire that the response names.", "a linkId of the Questionnaire"}
	ruleLevel = rule{"q-level", "the item stands in the wrong place of the response",
		"Nest items as the Questionnaire does: under item in a group, under answer below a question.", "the place that the Questionnaire gives it"}
	ruleOrder    = rule{"q-order", "the item comes after one that follows it in the Questionnaire", "Keep the order of the Questionnaire.", "the order of the Questionnaire"}
	ruleTwice    = rule{"q-twice", "the item stands here already", "Give several answers in one item, as several answer elements.", "one item"}
	ruleType     = rule{"q-type", "the answer is not of the item's type", "Give the answer in the member that the message names.", ""}
	ruleNone     = rule{"q-type", "a group or a text to show has no answers", "Leave answer out.", "no answer"}
	ruleRequired = rule{"q-required", "a required item is not answered",
		"Answer it, or send the response as in-progress until it is.", "an answer"}
	ruleRepeats   = rule{"q-repeats", "the item takes one answer", "Choose one answer.", ""}
	ruleOccurs    = rule{"q-occurs", "the item is answered too often or not often enough", "Count the answers.", ""}
	ruleDisabled  = rule{"q-disabled", "the item is not asked, given the other answers", "Leave the item out, or look at the answers it depends on.", "no answer"}
	ruleOption    = rule{"q-option", "the answer is none of the item's options", "Choose one of the answerOption of the item, system and code alike.", ""}
	ruleSet       = rule{"q-value-set", "the answer is not in the item's value set", "Choose a code of the value set.", ""}
	ruleExclusive = rule{"q-exclusive", "this answer excludes any other", "Choose this answer alone, or leave it out.", ""}
	ruleMinLength = rule{"q-min-length", "the answer is too short", "Write the answer out.", ""}
	ruleMaxLength = rule{"q-max-length", "the answer is too long", "Shorten the answer.", ""}
	ruleMinValue  = rule{"q-min-value", "the answer is below the smallest value", "Check the number or the date.", ""}
	ruleMaxValue  = rule{"q-max-value", "the answer is above the largest value", "Check the number or the date.", ""}
	ruleDecimals  = rule{"q-decimals", "the answer has too many decimal places", "Round the number.", ""}
	ruleRegex     = rule{"q-regex", "the answer does not have the form that the item asks for", "See the item's regex in the Questionnaire.", "text of the form that the item names"}
	ruleMime      = rule{"q-mime-type", "the attachment is not of a media type that the item takes", "Send the document in another format.", ""}
	ruleSize      = rule{"q-size", "the attachment is too large", "Send a smaller file.", ""}
	ruleReference = rule{"q-reference", "the reference is to a type that the item does not take", "Refer to a resource of one of the types named.", ""}
	ruleUnit      = rule{"q-unit", "the quantity is not in a unit that the item takes", "Convert the quantity, or use the unit's code.", ""}
	ruleReadOnly  = rule{"q-read-only", "the item may not be changed by who answers", "Send the Questionnaire's initial value.", "the initial value"}
	ruleTotal     = rule{"q-total", "the total is not what the answers give", "Compute it again, or leave it out.", ""}
	ruleNoTotal   = rule{"q-total", "there is no total while an answer that counts is missing", "Leave the total out, or answer every item that counts.", "no total"}
	ruleSubject   = rule{"q-subject", "the Questionnaire is not for subjects of this type", "Refer to a resource of one of the types named.", ""}
	ruleVersion   = rule{"q-version", "the response names another version of the Questionnaire", "Name the version that was filled in.", "the version of the Questionnaire at hand"}
	ruleCostly    = rule{"q-costly", "the response has too many values to check it by its Questionnaire", "Divide the response.", "fewer values"}
	ruleText      = rule{"q-text", "the text differs from the Questionnaire's", "Leave text out, or copy it from the Questionnaire.", "the text of the Questionnaire"}
	ruleStatus    = rule{"q-status", "the Questionnaire is not in use", "Use the version that is active.", "a Questionnaire whose status is active"}
	ruleUndecided = rule{"q-undecided", "unable to check the answer: the value set is not held here", "Check the code by hand.", ""}
)

// The rules of a Questionnaire. Their sentences are said where they are broken.
var (
	defLink    = rule{id: "q-def-link", hint: "Give every item a linkId of its own."}
	defType    = rule{id: "q-def-type", hint: "Make the item a group, or move what is below it."}
	defEnable  = rule{id: "q-def-enable", hint: "Mend the question, the operator or the answer of enableWhen."}
	defCycle   = rule{id: "q-def-cycle", hint: "Follow the questions named by enableWhen, and the items around them."}
	defOption  = rule{id: "q-def-option", hint: "Change the option, or the type of the item."}
	defSet     = rule{id: "q-def-set", hint: "Contain the value set, or name it by its canonical URL."}
	defInitial = rule{id: "q-def-initial", hint: "Give the initial value in the member that the message names."}
	defLimit   = rule{id: "q-def-limit", hint: "Look at the smallest and largest value, length and number of answers."}
	defRegex   = rule{id: "q-def-regex", hint: "Patterns are RE2: no look-around, no back-references, and little repetition."}
	defScore   = rule{id: "q-def-score", hint: "See the extension ext-score for how an answer is computed."}
	defSize    = rule{id: "q-def-size", hint: "Divide it into several Questionnaires, or use answerValueSet."}
)
