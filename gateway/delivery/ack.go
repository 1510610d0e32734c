package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
	"trellis.example/mapping/codec/hl7v2"
)

// TopicAck is the outbox topic of application acknowledgements that HL7 v2
// senders are owed after a commit acknowledgement (enhanced mode).
const TopicAck = "hl7-ack"

// An owed is the payload of an event of [TopicAck]. The message repeats nothing
// but header fields.
type owed struct {
	Client  string `json:"client"`
	Message string `json:"message"`
}

// NewAck returns the event that sends an application acknowledgement to a
// client. id is the acknowledged message's own, among those of the client.
func NewAck(client, id string, msg []byte, at time.Time) (store.Event, error) {
	payload, err := json.Marshal(owed{client, string(msg)})
	return store.Event{ID: "ack/" + client + "/" + controlID(id), Topic: TopicAck, Partition: client, Payload: payload, Due: at}, err
}

// Acks delivers application acknowledgements.
type Acks struct {
	// Client and Send are as in [RRI].
	Client func(ctx context.Context, id string) (auth.Client, error)
	Send   func(ctx context.Context, to auth.MLLPBinding, msg []byte) ([]byte, error)
}

// Deliver sends one acknowledgement and waits until its arrival is confirmed.
func (a *Acks) Deliver(ctx context.Context, e store.Event) error {
	var o owed
	if err := json.Unmarshal(e.Payload, &o); err != nil {
		return fmt.Errorf("%w: %w", ErrUndeliverable, err)
	}
	to, err := replyTo(ctx, a.Client, o.Client)
	if err != nil {
		return err
	}
	ack, err := a.Send(ctx, to, []byte(o.Message))
	if err != nil {
		return err
	}
	return acknowledged(ack)
}

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
	case "AE", "CE":
		return fmt.Errorf("%w: the partner answered %s", ErrUndeliverable, code)
	}
	return errors.New("the partner did not accept the message; it is sent again")
}
