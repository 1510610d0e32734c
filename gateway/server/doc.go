// Package server is the HTTP server: every address on one page (routes.go), and
// around it what every request gets.
//
// What it promises, for every answer including 404, 405 and panics:
//   - X-Request-ID is the caller's when it is sane, else a new one;
//     X-Correlation-ID is returned as sent. Security headers are set.
//   - Exactly one structured log event and one metric, which name the route's
//     template, never the address, a query string, an id or any personal data.
//   - Bodies, headers, time and rates are bounded: 413, 431, 408, 429 with
//     Retry-After. A caller that sends no valid token is limited by its network
//     address, every other by its client id; the sandbox is not limited.
//   - Errors are OperationOutcomes. 405 has Allow.
//
// /health/ready turns 503 as soon as shutdown begins; requests under way are
// finished. Nothing is redirected.
package server
