// Package hl7v2 is the partner format "hl7v2": referral messages REF^I12, I13
// and I14 of HL7 v2.3 to v2.8 in, the answers ACK and RRI and REF out.
//
// map.yaml says what each field means, in both directions; README.md lists the
// fields. This package adds what a map cannot say:
//   - [Header]: what a receiver must know before it maps, and whether it takes
//     the message at all (type, event, processing id, version).
//   - [BuildAck]: the acknowledgement, with ERR segments as the sender's
//     version has them.
//   - [BuildRRI]: the answer when a person has decided.
//   - Consent: a referral on which none is recorded is not active, unless the
//     partner's agreement rests on implied consent for direct care.
//
// No text that it writes into a fault, a loss or an acknowledgement holds a
// value of the message, except the header fields that an acknowledgement
// echoes.
package hl7v2
