// Package auth says who is calling and what they may see.
//
// It is an OAuth2 authorisation server for machines (RFC 6749 client
// credentials, SMART Backend Services) and the policy that every read, search
// and write obeys. What it promises:
//
//   - A request without a valid, unexpired access token of this gateway for
//     this gateway's FHIR base gets no [Principal]; a disabled or rotated
//     client loses its tokens within a second, on every gateway of a store.
//   - A client assertion is spent once: concurrent replays are decided by one
//     unique claim in the store, and only after every other check has passed.
//   - Scopes only narrow. What a caller may do is what its token's scopes, its
//     client's registered scopes and its role (roles.txt) all allow; a scope
//     that cannot be enforced is refused, never dropped.
//   - Only this package builds a [View], and the zero View sees nothing.
//   - Secrets and private keys never reach a log, an error or an answer; a
//     new client's secret is shown once, by the caller of [Registry.Add].
//
// Package auth imports only package fhir of this module. Storage is what it
// needs of the gateway's store.
package auth
