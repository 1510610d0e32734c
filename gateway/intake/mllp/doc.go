// Package mllp carries HL7 v2 messages over TCP by the Minimal Lower Layer
// Protocol (HL7 transport specification, release 1): 0x0B, the message, 0x1C
// 0x0D. It knows frames and connections; what a message says and whom its
// sender is bound to are for the [Handler].
//
// The server promises:
//   - Plain TCP only on loopback addresses; anywhere else it takes TLS, and
//     the handler learns the client certificate.
//   - One message at a time per connection, answered in order.
//   - A message is at most MaxMessage bytes and arrives within ReadTimeout; a
//     broken frame closes the connection, after an answer when one can be made.
//   - Shutdown lets the message in hand be answered, and starts no other.
//   - No byte of a message is logged.
package mllp
