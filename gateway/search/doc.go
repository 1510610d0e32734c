// Package search knows by which parameters each resource type can be found,
// takes their values out of a document when it is stored, and reads a search
// request into what a store answers.
//
// What the package promises:
//   - Every R4 SearchParameter of the types that Trellis holds is answered, or
//     refused with the reason ([Registry.Refused]); none is passed over. Beside
//     them HealthcareService has near: where its locations are.
//   - What [Registry.Index] extracts and what [Registry.Parse] asks for go
//     through the same normalisation, so a value that was stored is found.
//   - A parameter, modifier, prefix or value that is not understood is an error
//     that names what is supported; all faults come at once. Under lenient
//     handling an unknown parameter is a warning instead. No error shows a value.
//   - Chains and _has are searches of their own under the caller's view, at one
//     snapshot ([Registry.Resolve]): what may not be seen leads nowhere.
//   - A cursor can be read only by the client that it was made for, and shows
//     nobody the values searched for.
//
// How a document is indexed. The parameters that [HeldTypes] names lead: each of
// their entries is a row of an index. Those of all others are silent, kept
// beside the document and compared with what a leading one finds. Two
// parameters that select the same element differ only in their filter
// ("patient" is "subject" when it is a Patient) and share one entry. Beside a
// parameter's own entries stand, silent too, those of its modifiers:
// "code:text", "identifier:of-type", "subject:identifier", "focus:version".
// Every reference to this server that no leading parameter covers has a leading
// entry "_ref": by it the silent reference parameters lead, and whatever refers
// to a resource can be found. An element without a value to compare, such as a
// CodeableConcept of text alone, has an empty entry, so that it does not count
// as missing. [Registry.Fingerprint] changes with all of this.
//
// Where R4 leaves a choice: a date without a zone is UTC; ap reaches as far
// again as the date is long, or within a tenth of a number; 1e2 is 95 to 105, as
// R4's example has it; a place without a distance is within 10 km; units are not
// converted; phonetic is American Soundex; a SampledData is the range of its
// samples; a code or boolean that stands without a system has the one its
// binding implies.
package search
