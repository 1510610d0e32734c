// Package path compiles the subset of FHIRPath that search parameters and
// invariants use and evaluates it over parsed documents.
//
// What the package promises:
//   - [Compile] binds an expression to a root type once; a [Path] is immutable
//     and safe for concurrent use.
//   - Evaluation reads the document in place: it allocates nothing but what the
//     expression itself makes (a replaced string), and gives up with
//     [ErrTooCostly] rather than run for long on a hostile document.
//   - A branch of a union that belongs to another resource type is dropped, so
//     the expression of a search parameter over many types costs what its part
//     for this one does.
//   - What is outside the subset is refused by Compile, never misread.
//
// The subset: member paths (choices without their type suffix), unions, indexes,
// literals, dates such as @2026-01-31, and or xor implies, = != < <= > >= in
// contains, + - * / div mod &, is and as
// (operators and functions), where, select, all, exists, empty, count, not,
// first, last, tail, distinct, isDistinct, combine, union, intersect, hasValue,
// ofType, extension, hasExtension, children, descendants, iif, trace, startsWith,
// endsWith, matches, replaceMatches, replace, substring, indexOf, length, lower,
// upper, trim, split, join, toInteger, toString, skip, take, exclude, subsetOf,
// supersetOf, allTrue, anyTrue, allFalse, anyFalse, sum, min, max, avg, repeat,
// resolve, $this, %resource, %rootResource, %context, %extension, %ucum.
// today() and now() are
// refused: a document is judged alike on every day.
//
// resolve() reads nothing but the document: it gives the contained resource or
// the entry of the Bundle that the reference names, else it stands for a resource
// of the type that the reference names, which is enough for "resolve() is
// Patient". Comparisons of dates of different precision that
// cannot be decided are empty, as FHIRPath has it.
package path
