package gateway_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"trellis.example/auth"
)

const hl7Type = "application/hl7-v2"

func TestHL7Conversation(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		msg := document(t, "referral.hl7", "1")
		first := s.hl7(msg)
		if !strings.Contains(first, "\nMSA|AA|DEMO1") {
			t.Fatalf("refused:\n%s", first)
		}
		id := only(t, s.referrals("worker"))
		if again := s.hl7(msg); again != first {
			t.Errorf("the repeat got another answer:\n%s\nfirst:\n%s", again, first)
		}
		other := s.hl7(edit(t, msg, "Specimen", "Another"))
		if !strings.Contains(other, "\nMSA|AE|DEMO1") || !strings.Contains(other, "|205^") {
			t.Errorf("same control id, other content:\n%s", other)
		}
		// The same reference with other content, in a new message: a new version.
		changed := s.hl7(edit(t, msg, "DEMO1", "DEMO2", "I12^", "I13^", "Would like help", "Would like much help"))
		if !strings.Contains(changed, "\nMSA|AA|DEMO2") {
			t.Fatalf("modification refused:\n%s", changed)
		}
		if got := only(t, s.referrals("worker")); got != id {
			t.Errorf("the modification made a second referral %s", got)
		}
		unknown := s.hl7(edit(t, msg, "DEMO1", "DEMO3", "I12^", "I14^", "HL7-1", "HL7-unknown"))
		if !strings.Contains(unknown, "\nMSA|AE|DEMO3") || !strings.Contains(unknown, "|204^") {
			t.Errorf("cancellation of an unknown referral:\n%s", unknown)
		}
		if got := s.hl7(edit(t, msg, "DEMO1", "DEMO4", "I12^", "I14^")); !strings.Contains(got, "\nMSA|AA|DEMO4") {
			t.Errorf("cancellation refused:\n%s", got)
		}
		if got := s.task("worker", id).Get("status").Text(); got != "cancelled" {
			t.Errorf("Task of the cancelled referral is %s", got)
		}
		s.logsAreClean()
	})
}

func TestHL7Refusals(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	good := document(t, "referral.hl7", "1")
	tests := []struct {
		name  string
		msg   []byte
		wants []string
	}{
		{"bad check digit", edit(t, good, "9991234012", "9991234013"), []string{"MSA|AE|DEMO1", "ERR||PID^1^3"}},
		{"two faults at once", edit(t, good, "9991234012", "9991234013", "19440317", "19440231"), []string{"ERR||PID^1^3", "ERR||PID^1^7"}},
		{"other type", edit(t, good, "REF^I12^REF_I12", "SIU^S12^SIU_S12"), []string{"MSA|AR|DEMO1", "|200^"}},
		{"other event", edit(t, good, "REF^I12^REF_I12", "REF^I99^REF_I12"), []string{"MSA|AR|DEMO1", "|201^"}},
		{"other version", edit(t, good, "|2.5.1|", "|9.1|"), []string{"MSA|AR|DEMO1", "|203^"}},
		{"no patient", good[:bytes.Index(good, []byte("PID|"))], []string{"MSA|AE|DEMO1", "|101^"}},
	}
	for _, tt := range tests {
		ack := s.hl7(tt.msg)
		for _, w := range tt.wants {
			if !strings.Contains(ack, w) {
				t.Errorf("%s: the answer lacks %s:\n%s", tt.name, w, ack)
			}
		}
	}
	if n := len(s.referrals("worker")); n != 0 {
		t.Errorf("refused messages left %d referrals", n)
	}
	s.logsAreClean()
}

// TestHL7UnboundSender: a sender that nobody bound gets AR and stores nothing.
func TestHL7UnboundSender(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	ack := s.hl7(edit(t, document(t, "referral.hl7", "1"), "DEMOPAS", "STRANGER"))
	if !strings.Contains(ack, "\nMSA|AR|DEMO1") {
		t.Errorf("an unbound sender got\n%s", ack)
	}
	if n := len(s.referrals("worker")); n != 0 {
		t.Errorf("an unbound sender left %d referrals", n)
	}
}

// TestHL7Residue: an unknown segment is no fault; dry run reports it.
func TestHL7Residue(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	msg := append(document(t, "referral.hl7", "1"), "ZZZ|1|local\r"...)
	a := s.want(s.post("hospital", "/intake/hl7v2?dryRun=true", hl7Type, msg), 200)
	if root := a.root2(t); root["accepted"] != true || !bytes.Contains(a.body, []byte(`"ZZZ`)) {
		t.Errorf("dry run: %s", a.body)
	}
	if n := len(s.referrals("worker")); n != 0 {
		t.Errorf("a dry run left %d referrals", n)
	}
	if ack := s.hl7(msg); !strings.Contains(ack, "\nMSA|AA|") {
		t.Errorf("an unknown segment was refused:\n%s", ack)
	}
}

func TestHL7OverHTTP(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	good := document(t, "referral.hl7", "1")
	s.want(s.post("hospital", "/intake/hl7v2", hl7Type, edit(t, good, "9991234012", "9991234013")), 422)
	s.want(s.post("hospital", "/intake/hl7v2", hl7Type, edit(t, good, "|2.5.1|", "|9.1|")), 400)
	s.want(s.post("hospital", "/intake/hl7v2", hl7Type, []byte("nonsense")), 400)
	s.want(s.post("hospital", "/intake/hl7v2", "image/png", good), 415)
	s.want(s.post("police", "/intake/hl7v2", hl7Type, good), 403)
	s.want(s.post("hospital", "/intake/hl7v2", hl7Type, good), 200)
}

// TestBrokenFrame: bytes that are no MLLP frame end the connection and harm
// nobody else.
func TestBrokenFrame(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	for _, junk := range []string{"GET / HTTP/1.1\r\n\r\n", "\x0bMSH|^~\\&|half", "\x0b\x1c\x0d"} {
		c, err := net.Dial("tcp", s.g.MLLP)
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(c, junk)
		c.(*net.TCPConn).CloseWrite()
		if _, err := io.ReadAll(c); err != nil {
			t.Errorf("after %q: %v", junk, err)
		}
		c.Close()
	}
	if ack := s.hl7(document(t, "referral.hl7", "1")); !strings.Contains(ack, "\nMSA|AA|") {
		t.Errorf("after broken frames a good message got\n%s", ack)
	}
}

// TestHL7AsksTheRole: a client whose role does not send HL7 v2 gets AR, however
// it is bound, and the refusal is audited as its own.
func TestHL7AsksTheRole(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.partner("watcher", "auditor", "", &auth.MLLPBinding{MSH3: "WATCHER", MSH4: "RZ901"})
	s.partner("station", "police", "P98", &auth.MLLPBinding{MSH3: "STATION", MSH4: "RZ901"})
	for _, who := range []string{"WATCHER", "STATION"} {
		before := s.audits("intake-hl7v2")
		if ack := s.hl7(edit(t, document(t, "referral.hl7", "1"), "DEMOPAS", who)); !strings.Contains(ack, "\nMSA|AR|DEMO1") {
			t.Errorf("%s got\n%s", who, ack)
		}
		if n := s.audits("intake-hl7v2") - before; n != 1 {
			t.Errorf("%s left %d audit entries, want 1", who, n)
		}
	}
	if n := len(s.referrals("worker")); n != 0 {
		t.Errorf("they left %d referrals", n)
	}
}

// TestHL7IsAudited: every message leaves an audit entry, repeats and refusals
// too.
func TestHL7IsAudited(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	msg := document(t, "referral.hl7", "1")
	for i, m := range [][]byte{msg, msg, edit(t, msg, "Specimen", "Another"), edit(t, msg, "DEMO1", "DEMO2"), edit(t, msg, "|2.5.1|", "|9.1|")} {
		before := s.audits("intake-hl7v2")
		ack := s.hl7(m)
		if n := s.audits("intake-hl7v2") - before; n != 1 {
			t.Errorf("message %d left %d audit entries, want 1:\n%s", i, n, ack)
		}
	}
}
