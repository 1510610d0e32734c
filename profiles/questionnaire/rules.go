package questionnaire

// A rule is what a response is held to.
type rule struct{ id, text, hint string }

// The rules of a response, each with its sentence and what to do.
var (
	ruleItem = rule{"q-item", "the Questionnaire has no item of this linkId",
		"Check the linkId against the version of the Questionnaire that the response names."}
	ruleLevel = rule{"q-level", "the item stands in the wrong place of the response",
		"Nest items as the Questionnaire does: under item in a group, under answer below a question."}
	ruleOrder    = rule{"q-order", "the item comes after one that follows it in the Questionnaire", "Keep the order of the Questionnaire."}
	ruleTwice    = rule{"q-twice", "the item stands here already", "Give several answers in one item, as several answer elements."}
	ruleType     = rule{"q-type", "the answer is not of the item's type", "Give the answer in the member that the message names."}
	ruleNone     = rule{"q-type", "a group or a text to show has no answers", "Leave answer out."}
	ruleRequired = rule{"q-required", "a required item is not answered",
		"Answer it, or send the response as in-progress until it is."}
	ruleRepeats   = rule{"q-repeats", "the item takes one answer", "Choose one answer."}
	ruleOccurs    = rule{"q-occurs", "the item is answered too often or not often enough", "Count the answers."}
	ruleDisabled  = rule{"q-disabled", "the item is not asked, given the other answers", "Leave the item out, or look at the answers it depends on."}
	ruleOption    = rule{"q-option", "the answer is none of the item's options", "Choose one of the answerOption of the item, system and code alike."}
	ruleSet       = rule{"q-value-set", "the answer is not in the item's value set", "Choose a code of the value set."}
	ruleExclusive = rule{"q-exclusive", "this answer excludes any other", "Choose this answer alone, or leave it out."}
	ruleMinLength = rule{"q-min-length", "the answer is too short", "Write the answer out."}
	ruleMaxLength = rule{"q-max-length", "the answer is too long", "Shorten the answer."}
	ruleMinValue  = rule{"q-min-value", "the answer is below the smallest value", "Check the number or the date."}
	ruleMaxValue  = rule{"q-max-value", "the answer is above the largest value", "Check the number or the date."}
	ruleDecimals  = rule{"q-decimals", "the answer has too many decimal places", "Round the number."}
	ruleRegex     = rule{"q-regex", "the answer does not have the form that the item asks for", "See the item's regex in the Questionnaire."}
	ruleMime      = rule{"q-mime-type", "the attachment is not of a media type that the item takes", "Send the document in another format."}
	ruleSize      = rule{"q-size", "the attachment is too large", "Send a smaller file."}
	ruleReference = rule{"q-reference", "the reference is to a type that the item does not take", "Refer to a resource of one of the types named."}
	ruleUnit      = rule{"q-unit", "the quantity is not in a unit that the item takes", "Convert the quantity, or use the unit's code."}
	ruleReadOnly  = rule{"q-read-only", "the item may not be changed by who answers", "Send the Questionnaire's initial value."}
	ruleTotal     = rule{"q-total", "the total is not what the answers give", "Compute it again, or leave it out."}
	ruleNoTotal   = rule{"q-total", "there is no total while an answer that counts is missing", "Leave the total out, or answer every item that counts."}
	ruleSubject   = rule{"q-subject", "the Questionnaire is not for subjects of this type", "Refer to a resource of one of the types named."}
	ruleVersion   = rule{"q-version", "the response names another version of the Questionnaire", "Name the version that was filled in."}
	ruleCostly    = rule{"q-costly", "the response has too many values to check it by its Questionnaire", "Divide the response."}
	ruleText      = rule{"q-text", "the text differs from the Questionnaire's", "Leave text out, or copy it from the Questionnaire."}
	ruleStatus    = rule{"q-status", "the Questionnaire is not in use", "Use the version that is active."}
	ruleUndecided = rule{"q-undecided", "unable to check the answer: the value set is not held here", "Check the code by hand."}
)
