package delivery

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"trellis.example/mapping/codec/hl7v2"
)

// controlID makes MSH-10 of an event's id: 20 characters, the longest that
// every version of HL7 v2 takes.
func controlID(event string) string {
	sum := sha256.Sum256([]byte(event))
	return strings.ToUpper(hex.EncodeToString(sum[:10]))
}

// acknowledged reads MSA-1. A message that the partner finds faulty would be
// found so again: a person must look, and it is not sent for ever.
func acknowledged(ack []byte) error {
	m, err := hl7v2.Parse(ack)
	if err != nil {
		return fmt.Errorf("the answer is no acknowledgement: %w", err)
	}
	switch code := m.Get("MSA-1"); code {
	case "AA", "CA":
		return nil
	case "AE":
		return fmt.Errorf("%w: the partner answered AE", ErrUndeliverable)
	}
	return errors.New("the partner did not accept the message; it is sent again")
}
