package gateway_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/intake/mllp"
	"trellis.example/mapping/formats/hl7v2"
)

// A receiver is a partner's system that takes answers over MLLP.
type receiver struct {
	addr string
	got  chan string
	away atomic.Bool // refuses with AR, as a system in trouble does
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{got: make(chan string, 10)}
	s := &mllp.Server{Handler: func(_ context.Context, _ mllp.Peer, msg []byte) []byte {
		code := hl7v2.AA
		if r.away.Load() {
			code = hl7v2.AR
		}
		r.got <- strings.ReplaceAll(string(msg), "\r", "\n")
		return hl7v2.BuildAck(msg, code, nil, time.Now(), "ACK1")
	}}
	l, err := s.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.Shutdown(ctx)
		<-done
	})
	return r
}

func (r *receiver) next(t *testing.T) string {
	t.Helper()
	select {
	case msg := <-r.got:
		return msg
	case <-time.After(20 * time.Second):
		t.Fatal("no answer arrived")
		return ""
	}
}

// TestRRIWhenAPersonHasDecided: the hospital gets ACK at once, and RRI when
// the link worker accepts; a system in trouble gets the same message again.
func TestRRIWhenAPersonHasDecided(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		r := newReceiver(t)
		s.partner("hospital", "hospital-discharge", "RZ901", &auth.MLLPBinding{MSH3: "DEMOPAS", MSH4: "RZ901", ReplyTo: r.addr})
		s.partner("worker", "link-worker", service, nil)
		if ack := s.hl7(document(t, "referral.hl7", "1")); !strings.Contains(ack, "\nMSA|AA|DEMO1") {
			t.Fatalf("refused:\n%s", ack)
		}
		id := only(t, s.referrals("worker"))
		r.away.Store(true)
		s.decide("worker", id, `"status":"accepted"`)
		first := r.next(t)
		r.away.Store(false)
		again := r.next(t)
		if first != again {
			t.Errorf("the repeat differs:\n%s\nfirst:\n%s", again, first)
		}
		for _, want := range []string{"|RRI^I12", "MSA|AA|DEMO1", "RF1|A^Accepted", "HL7-1", id, "9991234012", "DEMOPAS|RZ901"} {
			if !strings.Contains(again, want) {
				t.Errorf("the RRI lacks %s:\n%s", want, again)
			}
		}
		s.logsAreClean()
	})
}

// TestRRIRefusal: a refusal carries its reason.
func TestRRIRefusal(t *testing.T) {
	s := newSystem(t, noChange)
	r := newReceiver(t)
	s.partner("hospital", "hospital-discharge", "RZ901", &auth.MLLPBinding{MSH3: "DEMOPAS", MSH4: "RZ901", ReplyTo: r.addr})
	s.partner("worker", "link-worker", service, nil)
	s.hl7(document(t, "referral.hl7", "1"))
	s.decide("worker", only(t, s.referrals("worker")), `"statusReason":{"text":"Lives outside our area."},"status":"rejected"`)
	if msg := r.next(t); !strings.Contains(msg, "RF1|R^Rejected") || !strings.Contains(msg, "Lives outside our area.") {
		t.Errorf("the RRI says\n%s", msg)
	}
}

// decide updates the Task of a referral as a link worker's system does.
func (s *system) decide(who, referral, status string) {
	s.t.Helper()
	task := s.task(who, referral)
	body := bytes.Replace(bytes.Clone(task.Raw()), []byte(`"status":"requested"`), []byte(status), 1)
	s.want(s.do(who, http.MethodPut, "/fhir/Task/"+task.Get("id").Text(), http.Header{"Content-Type": {fhirType}}, body), 200)
}
