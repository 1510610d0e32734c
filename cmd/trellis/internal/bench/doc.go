// Package bench measures a gateway from the outside, over HTTP, and the parts
// of it that can be measured alone, and sets the figures beside the targets.
//
// What it promises:
//   - It starts its own gateway on a temporary folder and loopback ports, and
//     ends and removes both whatever happens; it never touches another.
//   - Stores of a size are filled as an operator fills them, with `trellis
//     import`, and mostly with what others own: the practice that asks has one
//     record in twenty.
//   - Every measure is bounded in time and in number of requests.
//   - An answer that is not the one expected is a failure, is counted and
//     shown, and a measure with a failure never reaches its target.
//   - The generator costs little and says how much: requests are bytes made
//     beforehand, answers are parsed as far as their status and length.
//   - All persons are invented: NHS numbers are in the range 999, which is
//     never issued.
package bench
