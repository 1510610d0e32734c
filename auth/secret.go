package auth

import "log/slog"

// A Secret never prints: not with fmt, JSON, YAML or slog. [Secret.Reveal] is
// the one way to its text.
type Secret string

const redacted = "[redacted]"

// String returns a placeholder.
func (Secret) String() string { return redacted }

// GoString returns a placeholder.
func (Secret) GoString() string { return redacted }

// MarshalText returns a placeholder.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a placeholder.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Reveal returns the secret's text, to be shown once to whom it belongs.
func (s Secret) Reveal() string { return string(s) }
