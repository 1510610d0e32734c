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
	codec "trellis.example/mapping/codec/hl7v2"
	"trellis.example/mapping/formats/hl7v2"
)

// TopicRRI is the outbox topic of answers to HL7 v2 referrals.
const TopicRRI = "hl7-rri"

// KindHL7 is the kind of the store's docs that say which HL7 v2 message a
// ServiceRequest came from: id is the request's, body a [Came].
const KindHL7 = "hl7-referral"

// A Came says which message brought a referral.
type Came struct {
	// Client is the sender's client id, Message its MSH-10, Version MSH-12,
	// Event the event of the answer that it is owed ("" means I12).
	Client  string `json:"client"`
	Message string `json:"message"`
	Version string `json:"version"`
	Event   string `json:"event,omitempty"`
	// Merged is the hash of the original that holds all that the referral's
	// messages have said so far.
	Merged string `json:"merged,omitempty"`
}

// A Decided is the payload of an event of [TopicRRI]: the state of a referral
// has changed, or its sender has asked for it.
type Decided struct {
	Came
	// Referral and Task are "Type/id"; TaskVersion the version that decided.
	// There is no Task for a referral that nobody is to act on.
	Referral    string    `json:"referral"`
	Task        string    `json:"task"`
	TaskVersion int       `json:"taskVersion"`
	At          time.Time `json:"at"`
}

// NewRRI returns the event that tells an HL7 v2 sender what was decided. Its id
// is the same for the same decision, and for the same question (I15).
func NewRRI(d Decided) (store.Event, error) {
	payload, err := json.Marshal(d)
	id := fmt.Sprintf("rri/%s/%d", d.Task, d.TaskVersion)
	if d.Event == "I15" {
		id = fmt.Sprintf("rri/%s/%s/%s", d.Referral, d.Client, d.Message)
	}
	return store.Event{ID: id, Topic: TopicRRI, Partition: d.Client, Payload: payload, Due: d.At}, err
}

// RRI delivers answers to HL7 v2 referrals.
type RRI struct {
	Store store.Store
	// Format returns the format, which compiles at its first use.
	Format func() (*hl7v2.Format, error)
	// Client looks a partner up.
	Client func(ctx context.Context, id string) (auth.Client, error)
	// Send sends one message to the address that the partner is bound to and
	// returns the acknowledgement.
	Send func(ctx context.Context, to auth.MLLPBinding, msg []byte) ([]byte, error)
}

// Deliver sends one answer and waits for its acknowledgement.
func (r *RRI) Deliver(ctx context.Context, e store.Event) error {
	var d Decided
	if err := json.Unmarshal(e.Payload, &d); err != nil {
		return fmt.Errorf("%w: %w", ErrUndeliverable, err)
	}
	to, err := replyTo(ctx, r.Client, d.Client)
	if err != nil {
		return err
	}
	msg, err := r.message(ctx, e.ID, d, to)
	if err != nil {
		return err
	}
	ack, err := r.Send(ctx, to, msg)
	if err != nil {
		return err
	}
	return acknowledged(ack)
}

// replyTo looks up where a partner takes answers.
func replyTo(ctx context.Context, client func(context.Context, string) (auth.Client, error), id string) (auth.MLLPBinding, error) {
	c, err := client(ctx, id)
	if err != nil {
		return auth.MLLPBinding{}, fmt.Errorf("look the partner up: %w", err)
	}
	if c.Disabled || c.MLLP == nil || c.MLLP.ReplyTo == "" {
		return auth.MLLPBinding{}, fmt.Errorf("%w: the partner takes no answers", ErrUndeliverable)
	}
	return *c.MLLP, nil
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
	e := EnvelopeTo(to)
	e.Event, e.ControlID, e.Now, e.InReplyTo = d.Event, controlID(id), d.At, d.Message
	e.AcceptAck, e.ApplicationAck = "AL", "NE"
	if e.Version == "" {
		e.Version = d.Version
	}
	format, err := r.Format()
	if err != nil {
		return nil, err
	}
	w := format.BuildRRI(bundle, DecisionOf(d.Referral, task, e), e)
	if err := fhir.Faults(w.Faults); err != nil {
		return nil, fmt.Errorf("%w: write the answer: %w", ErrUndeliverable, err)
	}
	return []byte(w.Document), nil
}

// EnvelopeTo is what the partner's registration says of the messages that are
// sent to it.
func EnvelopeTo(to auth.MLLPBinding) hl7v2.Envelope {
	e := hl7v2.Envelope{SendingApplication: to.OurApplication, SendingFacility: to.OurFacility,
		ReceivingApplication: to.ReplyApplication, ReceivingFacility: to.ReplyFacility,
		Version: to.Version, Charset: codec.Charset(to.Charset)}
	if e.ReceivingApplication == "" {
		e.ReceivingApplication = to.MSH3
	}
	if e.ReceivingFacility == "" {
		e.ReceivingFacility = to.MSH4
	}
	return e
}

// DecisionOf says in HL7's terms what has become of a referral: the code of its
// Task where table 0283 has one, and words where it has none.
func DecisionOf(referral string, task fhir.Value, e hl7v2.Envelope) hl7v2.Decision {
	d := hl7v2.Decision{Reference: strings.TrimPrefix(referral, "ServiceRequest/"), Authority: e.SendingApplication}
	if d.Authority == "" {
		d.Authority = "TRELLIS"
	}
	state := task.Get("status").Text()
	code, known := hl7v2.StatusOf(state)
	d.Status, d.Text = code, task.At("statusReason", "text").Text()
	if !known && state != "" {
		d.Text = strings.TrimSpace(words(task) + " " + d.Text)
	}
	return d
}

// words say what table 0283 has no code for.
func words(task fhir.Value) string {
	if s := task.At("businessStatus", "coding", 0, "display").Text(); s != "" {
		return s + "."
	}
	return map[string]string{
		"on-hold": "The referral is on hold.", "failed": "The referral was closed without result.",
		"cancelled": "The referral was cancelled.", "completed": "The referral is completed.",
		"entered-in-error": "The referral was entered in error.",
	}[task.Get("status").Text()]
}

// task is the Task as it stood at the decision; the zero Value where there is
// none.
func (r *RRI) task(ctx context.Context, d Decided) (fhir.Value, error) {
	if d.Task == "" {
		return fhir.Value{}, nil
	}
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
