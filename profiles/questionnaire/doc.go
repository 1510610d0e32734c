// Package questionnaire judges answers by the Questionnaire they belong to, and
// Questionnaires by themselves (R4 Questionnaire and QuestionnaireResponse, with
// the extensions of R4 and of Structured Data Capture that restrict answers).
//
// What the package promises:
//   - [Compile] reads a Questionnaire once; a [Questionnaire] is immutable and
//     safe for concurrent use.
//   - [Questionnaire.Check] names every fault of a response at once, at its
//     place, and never with a value of the document. Time and memory grow with
//     the size of the two documents alone, whatever they hold: regular
//     expressions are bounded in size and in the text they read, and what would
//     take too many steps is given up with the fault q-costly.
//   - Nothing is filled in. A total is recomputed and compared, never supplied.
//   - What cannot be decided is not held against a response: dates of different
//     precision, quantities of different units, conditions that R4 leaves open.
//
// # Where R4 leaves room
//
//   - "!=" over a question without an answer: both readings are in use, so the
//     item may be answered and need not be.
//   - Two conditions or more without enableBehavior, which R4 asks for: where
//     "all" and "any" differ, the item may be answered and need not be.
//   - Answers below a disabled item are a fault once the response is completed
//     or amended, and a warning before. What is required, and how many answers
//     there must be at least, counts in those two states alone.
//   - A total whose items are not all answered is a fault in every state.
//   - readOnly refuses an answer other than the initial or the calculated value;
//     one that has neither may come from anywhere.
//
// # Totals
//
// An item with the extension [ScoreURL] is computed from other items: the sum of
// their numbers, their mean, or a look-up of the sum in a table. A choice counts
// with the ordinalValue of its option. Items named in reverse count backwards:
// lowest plus highest possible number, less the one given. An SDC
// calculatedExpression is followed where package path can read it and it begins
// at %resource; elsewhere a warning on the Questionnaire says that it is not.
//
// # Rules
//
// Of a response: q-item, q-level, q-order, q-twice, q-type, q-required,
// q-repeats, q-occurs, q-disabled, q-option, q-value-set, q-exclusive,
// q-min-length, q-max-length, q-min-value, q-max-value, q-decimals, q-regex,
// q-mime-type, q-size, q-reference, q-unit, q-read-only, q-total, q-subject,
// q-version, q-costly; as warnings q-text, q-status, q-undecided. Of a
// Questionnaire: q-def-link, q-def-type, q-def-enable, q-def-cycle, q-def-option,
// q-def-set, q-def-initial, q-def-limit, q-def-regex, q-def-score, q-def-size.
package questionnaire
