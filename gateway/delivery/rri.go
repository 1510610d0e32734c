package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
	"trellis.example/mapping/formats/hl7v2"
)

// TopicRRI is the outbox topic of answers to HL7 v2 referrals.
const TopicRRI = "hl7-rri"

// KindHL7 is the kind of the store's docs that say which HL7 v2 message a
// ServiceRequest came from: id is the request's, body a [Came].
const KindHL7 = "hl7-referral"

// A Came says which message brought a referral.
type Came struct {
	// Client is the sender's client id, Message its MSH-10, Version MSH-12.
	Client  string `json:"client"`
	Message string `json:"message"`
	Version string `json:"version"`
}

// A Decided is the payload of an event of [TopicRRI]: a person took or refused
// a referral.
type Decided struct {
	Came
	// Referral and Task are "Type/id"; TaskVersion the version that decided.
	Referral    string    `json:"referral"`
	Task        string    `json:"task"`
	TaskVersion int       `json:"taskVersion"`
	At          time.Time `json:"at"`
}

// NewRRI returns the event that tells an HL7 v2 sender what was decided. Its id
// is the same for the same decision.
func NewRRI(d Decided) (store.Event, error) {
	payload, err := json.Marshal(d)
	return store.Event{ID: fmt.Sprintf("rri/%s/%d", d.Task, d.TaskVersion), Topic: TopicRRI, Partition: d.Client, Payload: payload, Due: d.At}, err
}

// RRI delivers answers to HL7 v2 referrals.
type RRI struct {
	Store  store.Store
	Format *hl7v2.Format
	// Client looks a partner up.
	Client func(ctx context.Context, id string) (auth.Client, error)
	// Send sends one message to host:port and returns the acknowledgement.
	Send func(ctx context.Context, addr string, msg []byte) ([]byte, error)
}

// Deliver sends one answer and waits for its acknowledgement.
func (r *RRI) Deliver(ctx context.Context, e store.Event) error {
	var d Decided
	if err := json.Unmarshal(e.Payload, &d); err != nil {
		return fmt.Errorf("%w: %w", ErrUndeliverable, err)
	}
	c, err := r.Client(ctx, d.Client)
	if err != nil {
		return fmt.Errorf("look the partner up: %w", err)
	}
	if c.Disabled || c.MLLP == nil || c.MLLP.ReplyTo == "" {
		return fmt.Errorf("%w: the partner takes no answers", ErrUndeliverable)
	}
	msg, err := r.message(ctx, e.ID, d, *c.MLLP)
	if err != nil {
		return err
	}
	ack, err := r.Send(ctx, c.MLLP.ReplyTo, msg)
	if err != nil {
		return err
	}
	return acknowledged(ack)
}

// message writes the RRI. The control id depends on the event alone, so that
// a repeat is known as one.
func (r *RRI) message(ctx context.Context, id string, d Decided, to auth.MLLPBinding) ([]byte, error) {
	task, err := r.task(ctx, d)
	if err != nil {
		return nil, err
	}
	bundle, err := r.referral(ctx, d.Referral)
	if err != nil {
		return nil, err
	}
	w := r.Format.BuildRRI(bundle, hl7v2.Decision{
		Accepted:  task.Get("status").Text() == "accepted",
		Reference: strings.TrimPrefix(d.Referral, "ServiceRequest/"), Authority: "TRELLIS",
		Text: task.At("statusReason", "text").Text(),
	}, hl7v2.Envelope{
		ReceivingApplication: to.MSH3, ReceivingFacility: to.MSH4, Version: d.Version,
		ControlID: controlID(id), Now: d.At, InReplyTo: d.Message, AcceptAck: "AL", ApplicationAck: "NE",
	})
	if err := fhir.Faults(w.Faults); err != nil {
		return nil, fmt.Errorf("%w: write the answer: %w", ErrUndeliverable, err)
	}
	return []byte(w.Document), nil
}

func (r *RRI) task(ctx context.Context, d Decided) (fhir.Value, error) {
	v, err := r.Store.ReadVersion(ctx, auth.SystemView(), key(d.Task), d.TaskVersion)
	if err != nil {
		return fhir.Value{}, err
	}
	res, err := fhir.Decode(v.Body)
	return res.Root(), err
}

// maxParts bounds how many resources an answer is written from.
const maxParts = 50

// referral gathers the request and what it refers to as a Bundle.
func (r *RRI) referral(ctx context.Context, request string) ([]byte, error) {
	out := []byte(`{"resourceType":"Bundle","type":"collection","entry":[`)
	queue, seen := []string{request}, map[string]bool{request: true}
	for i := 0; i < len(queue) && i < maxParts; i++ {
		v, err := r.Store.Read(ctx, auth.SystemView(), key(queue[i]))
		if errors.Is(err, store.ErrNotFound) || err == nil && v.Deleted {
			continue
		}
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"fullUrl":`...)
		out = fhir.AppendString(out, queue[i])
		out = append(out, `,"resource":`...)
		out = append(append(out, v.Body...), '}')
		res, err := fhir.Decode(v.Body)
		if err != nil {
			return nil, err
		}
		fhir.EachReference(res.Root(), func(ref fhir.Value) {
			if p, ok := fhir.ParseReference(ref.Text()); ok && p.Kind == fhir.RefRelative && !seen[p.Relative()] {
				seen[p.Relative()] = true
				queue = append(queue, p.Relative())
			}
		})
	}
	return append(out, `]}`...), nil
}

func key(s string) store.Key {
	typ, id, _ := strings.Cut(s, "/")
	return store.Key{Type: typ, ID: id}
}
