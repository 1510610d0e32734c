// Package directory keeps the directory of community services: it takes services
// in from Open Referral UK feeds and from those who may publish, and serves what
// is public as an Open Referral UK directory of its own, below
// /openreferral/v3, open to all.
//
// What it promises:
//   - A service is taken whole or not at all, in one commit with its audit entry
//     and Provenance; one bad service never holds up the others, and each has a
//     result with its faults at their places.
//   - The same service again changes nothing. An organisation or place that
//     several services name is one resource.
//   - A pull that broke off goes on where it was. A service that is gone from a
//     complete feed becomes inactive, and is never deleted.
//   - A feed is a stranger: what it sends is bounded in size, number, time and
//     redirects, and it cannot lead the gateway to internal addresses.
//   - What is shown to all is what every caller with a token may see as a
//     directory entry: active HealthcareServices, and of Organizations and
//     Locations only those that such a service names and its owner keeps. What
//     came with a referral, and what bears a security label, is never shown.
package directory
