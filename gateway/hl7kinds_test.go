package gateway_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway"
	"trellis.example/gateway/intake/mllp"
	"trellis.example/mapping/formats/hl7v2"
)

// message joins segments.
func message(segments ...string) []byte { return []byte(strings.Join(segments, "\r") + "\r") }

func msh(app, facility, typ, id, acks string) string {
	return `MSH|^~\&|` + app + "|" + facility + "|TRELLIS|" + service + "|20261201100000+0000||" + typ + "|" + id + "|P|2.5.1|||" + acks + "|GBR|UNICODE UTF-8"
}

// all returns the resources of a type that a caller sees.
func (s *system) all(who, query string) []fhir.Value {
	s.t.Helper()
	var out []fhir.Value
	for e := range s.want(s.get(who, "/fhir/"+query), 200).root(s.t).Get("entry").Items() {
		if e.At("search", "mode").Text() != "outcome" {
			out = append(out, e.Get("resource"))
		}
	}
	return out
}

// pv1 writes a PV1 with fields by their numbers.
func pv1(fields map[int]string) string {
	out := []string{"PV1", "1"}
	for n := 2; n <= 45; n++ {
		out = append(out, fields[n])
	}
	return strings.Join(out, "|")
}

func (s *system) accepts(msg []byte) string {
	s.t.Helper()
	ack := s.hl7(msg)
	if !strings.Contains(ack, "\nMSA|AA|") {
		s.t.Fatalf("refused:\n%s", ack)
	}
	return ack
}

func (s *system) refuses(what string, msg []byte, wants ...string) {
	s.t.Helper()
	ack := s.hl7(msg)
	for _, w := range wants {
		if !strings.Contains(ack, w) {
			s.t.Errorf("%s: the answer lacks %s:\n%s", what, w, ack)
		}
	}
}

// TestHL7Visits: ADT tells of a person and a visit, adds to what was said
// before, is the sender's own, and never makes or touches a referral.
func TestHL7Visits(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		s.accepts(document(t, "referral.hl7", "1"))
		referral := only(t, s.referrals("worker"))
		before := s.want(s.get("worker", "/fhir/ServiceRequest/"+referral), 200).body
		head := func(event, id string) string { return msh("DEMOPAS", "RZ901", "ADT^"+event, id, "AL|NE") }
		pid := "PID|1||9991234012^^^NHS^NH~H-1^^^RZ901^MR||Specimen^Ada||19440317|F|||1 Old Road^^Town||01632960101"
		s.accepts(message(head("A01^ADT_A01", "V1"), "EVN|A01|20261128100000+0000", pid, "NK1|1|Specimen^Bo|SON^Son^HL70063", pv1(map[int]string{2: "I", 3: "WARD4", 19: "V-1", 44: "20261128100000+0000"})))
		s.accepts(message(head("A03^ADT_A03", "V2"), "EVN|A03|20261129100000+0000", `PID|1||H-1^^^RZ901^MR||Specimen^Ada||||||2 New Road^^Town||""`,
			pv1(map[int]string{2: "I", 19: "V-1", 36: "19^Usual place of residence", 45: "20261129093000+0000"})))
		people := s.all("hospital", "Patient?identifier=H-1")
		if len(people) != 1 {
			t.Fatalf("%d people, want one", len(people))
		}
		p := people[0]
		for _, tt := range []struct {
			path []any
			want string
		}{
			{[]any{"birthDate"}, "1944-03-17"},              // said once and kept
			{[]any{"address", 0, "line", 0}, "2 New Road"},  // replaced
			{[]any{"telecom", 0, "value"}, ""},              // deleted by the null
			{[]any{"contact", 0, "name", "given", 0}, "Bo"}, // kept
			{[]any{"meta", "versionId"}, "2"},
		} {
			if got := p.At(tt.path...).Text(); got != tt.want {
				t.Errorf("Patient %v = %q, want %q", tt.path, got, tt.want)
			}
		}
		visits := s.all("hospital", "Encounter?patient=Patient/"+p.Get("id").Text())
		if len(visits) != 1 {
			t.Fatalf("%d visits, want one", len(visits))
		}
		v := visits[0]
		if v.Get("status").Text() != "finished" || v.At("period", "start").Text() == "" || v.At("period", "end").Text() == "" ||
			v.At("hospitalization", "dischargeDisposition", "coding", 0, "code").Text() != "19" || v.At("location", 0, "location", "display").Text() != "WARD4" {
			t.Errorf("the visit is %s", v.Raw())
		}
		// An older message changes nothing and says so.
		late := s.accepts(message(head("A08^ADT_A01", "V3"), "EVN|A08|20261128120000+0000", "PID|1||H-1^^^RZ901^MR||Wrong^Name", pv1(map[int]string{2: "I", 19: "V-1"})))
		if !strings.Contains(late, "|W|") {
			t.Errorf("nothing says that the message came late:\n%s", late)
		}
		// Another visit of the same person.
		s.accepts(message(head("A01^ADT_A01", "V4"), "EVN|A01|20261130100000+0000", "PID|1||9991234012^^^NHS^NH||Specimen^Ada", pv1(map[int]string{2: "E", 19: "V-2"})))
		if n := len(s.all("hospital", "Encounter?patient=Patient/"+p.Get("id").Text())); n != 2 {
			t.Errorf("%d visits, want 2", n)
		}
		// Two people are not merged.
		s.accepts(message(head("A08^ADT_A01", "V5"), "EVN|A08|20261130110000+0000", "PID|1||H-2^^^RZ901^MR||Other^Person"))
		s.refuses("two people", message(head("A08^ADT_A01", "V6"), "EVN|A08|20261130120000+0000", "PID|1||H-1^^^RZ901^MR~H-2^^^RZ901^MR||Specimen^Ada"), "MSA|AE|V6", "PID^1^3")
		s.refuses("no identifier", message(head("A08^ADT_A01", "V7"), "EVN|A08|20261130120000+0000", "PID|1||||Specimen^Ada"), "MSA|AE|V7", "|101^")
		// Nobody else sees it, and no referral was made or changed.
		if n := len(s.all("worker", "Encounter")) + len(s.all("surgery", "Patient?identifier=H-1")); n != 0 {
			t.Errorf("others see %d of it", n)
		}
		if only(t, s.referrals("worker")) != referral || string(s.want(s.get("worker", "/fhir/ServiceRequest/"+referral), 200).body) != string(before) {
			t.Error("a visit changed a referral")
		}
		s.logsAreClean()
	})
}

// TestHL7Scores: ORU belongs to the referral that it names, and is seen by those
// who see that; an unknown and a hidden one are the same.
func TestHL7Scores(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		s.partner("tool", "outcome-tool", service, &auth.MLLPBinding{MSH3: "WELLTOOL", MSH4: "T1"})
		s.partner("stranger", "outcome-tool", "Z9999", &auth.MLLPBinding{MSH3: "STRANGE", MSH4: "T2"})
		s.accepts(document(t, "referral.hl7", "1"))
		id := only(t, s.referrals("worker"))
		oru := func(app, facility, control, ref, nhs, score string) []byte {
			return message(msh(app, facility, "ORU^R01^ORU_R01", control, "AL|NE"), "PID|1||"+nhs+"^^^NHS^NH||Specimen^Ada", "OBR|1|"+ref+"|RES-1^WELLTOOL|ONS4^Wellbeing^L",
				"OBX|1|NM|ONS4-SAT^Satisfied^L||"+score+"||||||F|||20261201", "OBX|2|NM|ONS4-ANX^Anxious^L||3||||||F|||20261201", "OBX|3|NM|STEPS^Steps^L||900||||||F|||20261201")
		}
		s.accepts(oru("WELLTOOL", "T1", "S1", "HL7-1", "9991234012", "6"))
		answers := s.all("worker", "QuestionnaireResponse?based-on=ServiceRequest/"+id)
		if len(answers) != 1 || len(s.all("worker", "Observation?based-on=ServiceRequest/"+id)) != 1 {
			t.Fatalf("the worker sees %d answers", len(answers))
		}
		r := answers[0]
		if r.At("item", 0, "answer", 0, "valueInteger").Text() != "6" || !strings.HasPrefix(r.At("subject", "reference").Text(), "Patient/") {
			t.Errorf("the answers are %s", r.Raw())
		}
		// The same result again with another value is a new version.
		s.accepts(oru("WELLTOOL", "T1", "S2", "HL7-1", "9991234012", "7"))
		if again := s.all("worker", "QuestionnaireResponse?based-on=ServiceRequest/"+id); len(again) != 1 || again[0].At("item", 0, "answer", 0, "valueInteger").Text() != "7" {
			t.Errorf("%d answers after the correction", len(again))
		}
		s.refuses("unknown", oru("WELLTOOL", "T1", "S3", "HL7-x", "9991234012", "6"), "MSA|AE|S3", "OBR^1^2", "|204^")
		s.refuses("hidden", oru("STRANGE", "T2", "S4", "HL7-1", "9991234012", "6"), "MSA|AE|S4", "OBR^1^2", "|204^")
		s.refuses("another person", oru("WELLTOOL", "T1", "S5", "HL7-1", "9990000018", "6"), "MSA|AE|S5", "|204^")
		s.refuses("out of range", oru("WELLTOOL", "T1", "S6", "HL7-1", "9991234012", "11"), "MSA|AE|S6", "OBX^1^5")
		s.logsAreClean()
	})
}

// TestHL7Responses: a service that speaks HL7 v2 tells by RRI what it decided;
// the one who referred by HL7 v2 is told in turn, and may ask.
func TestHL7Responses(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		r := newReceiver(t)
		s.partner("hospital", "hospital-discharge", "RZ901", &auth.MLLPBinding{MSH3: "DEMOPAS", MSH4: "RZ901", ReplyTo: r.addr, OurApplication: "SPHUB", Version: "2.4"})
		s.partner("worker", "link-worker", service, &auth.MLLPBinding{MSH3: "LINKSYS", MSH4: service})
		s.partner("stranger", "community-provider", "Z9999", &auth.MLLPBinding{MSH3: "STRANGE", MSH4: "T2"})
		s.accepts(document(t, "referral.hl7", "1"))
		id := only(t, s.referrals("worker"))
		rri := func(app, facility, control, status, nhs string) []byte {
			return message(msh(app, facility, "RRI^I12^RRI_I12", control, "AL|NE"), "MSA|AA|DEMO1", "RF1|"+status+"|||||HL7-1^RZ901", "PRD|RP", "PID|1||"+nhs+"^^^NHS^NH||Specimen^Ada", "NTE|1||We will ring on Monday.")
		}
		s.refuses("a stranger", rri("STRANGE", "T2", "R0", "A", "9991234012"), "MSA|AE|R0", "|204^")
		s.refuses("another person", rri("LINKSYS", service, "R1", "A", "9990000018"), "MSA|AE|R1", "|204^")
		s.refuses("no status", rri("LINKSYS", service, "R2", "", "9991234012"), "MSA|AE|R2", "RF1^1^1", "|101^")
		s.accepts(rri("LINKSYS", service, "R3", "A", "9991234012"))
		if task := s.task("worker", id); task.Get("status").Text() != "accepted" || task.At("note", 0, "text").Text() == "" && !strings.Contains(string(task.Raw()), "ring on Monday") {
			t.Errorf("the Task is %s", task.Raw())
		}
		if told := r.next(t); !strings.Contains(told, "RF1|A^Accepted") || !strings.Contains(told, `MSH|^~\&|SPHUB`) || !strings.Contains(told, "|2.4") {
			t.Errorf("the hospital was told\n%s", told)
		}
		// The hospital asks (I15) and is answered at its own address.
		s.accepts(message(msh("DEMOPAS", "RZ901", "REF^I15^REF_I12", "Q1", "AL|AL"), "RF1||||||HL7-1^RZ901", "PRD|RP", "PID|1||9991234012^^^NHS^NH||Specimen^Ada"))
		if told := r.next(t); !strings.Contains(told, "RRI^I15") || !strings.Contains(told, "MSA|AA|Q1") || !strings.Contains(told, "RF1|A^Accepted") {
			t.Errorf("the answer to the question is\n%s", told)
		}
		// What table 0283 has no code for is told in words.
		task := s.task("worker", id)
		done := strings.Replace(string(task.Raw()), `"status":"accepted"`, `"status":"on-hold"`, 1)
		s.want(s.do("worker", "PUT", "/fhir/Task/"+task.Get("id").Text(), map[string][]string{"Content-Type": {fhirType}}, []byte(done)), 200)
		if told := r.next(t); !strings.Contains(told, "RF1||") || !strings.Contains(told, "NTE|1||") {
			t.Errorf("on hold was told as\n%s", told)
		}
		// A refusal ends the referral; afterwards it is closed.
		s.accepts(rri("LINKSYS", service, "R4", "R", "9991234012"))
		if got := s.task("worker", id).Get("status").Text(); got != "rejected" {
			t.Errorf("the Task is %s", got)
		}
		if told := r.next(t); !strings.Contains(told, "RF1|R^Rejected") {
			t.Errorf("the refusal was told as\n%s", told)
		}
		s.logsAreClean()
	})
}

// TestHL7Modify: a field that I13 leaves empty keeps what was said, the null
// deletes, and segments that it does not have stay.
func TestHL7Modify(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	s.accepts(document(t, "referral.hl7", "1"))
	id := only(t, s.referrals("worker"))
	was := s.want(s.get("worker", "/fhir/ServiceRequest/"+id), 200).root(t)
	person := was.At("subject", "reference").Text()
	before := s.want(s.get("worker", "/fhir/"+person), 200).root(t)
	s.accepts(message(msh("DEMOPAS", "RZ901", "REF^I13^REF_I12", "M2", "AL|AL"), "RF1||A||||HL7-1", `PID|1||||Newname^Ada|||""`))
	now := s.want(s.get("worker", "/fhir/ServiceRequest/"+id), 200).root(t)
	p := s.want(s.get("worker", "/fhir/"+person), 200).root(t)
	if now.Get("priority").Text() != "asap" || string(now.Get("note").Raw()) != string(was.Get("note").Raw()) || now.Get("performer").Kind() != was.Get("performer").Kind() {
		t.Errorf("the request is %s, was %s", now.Raw(), was.Raw())
	}
	if p.At("name", 0, "family").Text() != "Newname" || p.Get("gender").Exists() || string(p.Get("identifier").Raw()) != string(before.Get("identifier").Raw()) || p.Get("birthDate").Text() != before.Get("birthDate").Text() {
		t.Errorf("the person is %s, was %s", p.Raw(), before.Raw())
	}
	s.accepts(message(msh("DEMOPAS", "RZ901", "REF^I13^REF_I12", "M3", "AL|AL"), "RF1||S||||HL7-1", "PID|1||||Newname^Ada"))
	if p := s.want(s.get("worker", "/fhir/"+person), 200).root(t); p.Get("gender").Exists() || p.At("name", 0, "family").Text() != "Newname" {
		t.Error("the second change undid the first")
	}
}

// TestHL7AsAgreed: each partner is answered as its registration says.
func TestHL7AsAgreed(t *testing.T) {
	s := newSystem(t, noChange)
	r := newReceiver(t)
	s.partner("hospital", "hospital-discharge", "RZ901", &auth.MLLPBinding{MSH3: "DEMOPAS", MSH4: "RZ901", ReplyTo: r.addr, CommitAck: true})
	s.partner("clinic", "gp-practice", "Y99001", &auth.MLLPBinding{MSH3: "CLINIC", MSH4: "Y99001", Answer: "rri", OurFacility: service, Charset: "8859/1"})
	s.partner("worker", "link-worker", service, nil)
	// Enhanced mode: CA at once, AA as a message of its own.
	visit := message(msh("DEMOPAS", "RZ901", "ADT^A08^ADT_A01", "E1", "AL|AL"), "EVN|A08|20261130110000+0000", "PID|1||H-2^^^RZ901^MR||Other^Person")
	first := s.hl7(visit)
	if !strings.Contains(first, "\nMSA|CA|E1") {
		t.Errorf("enhanced mode answered\n%s", first)
	}
	if again := s.hl7(visit); again != first {
		t.Errorf("the repeat got\n%s", again)
	}
	if told := r.next(t); !strings.Contains(told, "ACK^A08") || !strings.Contains(told, "\nMSA|AA|E1") {
		t.Errorf("the application acknowledgement is\n%s", told)
	}
	bad := s.hl7(message(msh("DEMOPAS", "RZ901", "ADT^A08^ADT_A01", "E2", "AL|AL"), "EVN|A08|20261130110000+0000", "PID|1||||Other^Person"))
	if !strings.Contains(bad, "\nMSA|CE|E2") {
		t.Errorf("a fault in enhanced mode answered\n%s", bad)
	}
	// Original mode: the RRI is the answer; nobody has decided yet.
	ref := message(`MSH|^~\&|CLINIC|Y99001|TRELLIS|X|20261201100000+0000||REF^I12^REF_I12|C1|P|2.5.1`, "RF1|P|R||||CL-1", "PRD|RP^Referring Provider^HL70286|Doctor^Zo\xeb", "PID|1||9991234012^^^NHS^NH||Specimen^Ada||19440317")
	answer := s.hl7(ref)
	for _, w := range []string{"RRI^I12", "\nMSA|AA|C1", "RF1|P^Pending", "CL-1", "TRELLIS|" + service} {
		if !strings.Contains(answer, w) {
			t.Errorf("the RRI lacks %s:\n%s", w, answer)
		}
	}
	if s.hl7(ref) != answer {
		t.Error("a repeat gets the first RRI")
	}
	if bad := s.hl7([]byte(strings.Replace(string(ref), "C1|", "C2|", 1) + "PID|2\r")); !strings.Contains(bad, "ACK^I12") || !strings.Contains(bad, "\nMSA|AE|C2") {
		t.Errorf("a fault in original mode answered\n%s", bad)
	}
}

// authority makes a certificate signed by parent, or by itself, and writes it.
func authority(t *testing.T, dir, name string, parent *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: parent == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	signer, by := tmpl, any(key)
	if parent != nil {
		signer, by = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, signer, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for suffix, b := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(filepath.Join(dir, name+suffix), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// TestHL7OverTLS is a whole conversation over mutual TLS: REF in by a client
// known by its certificate, ACK back, RRI out to the partner's own TLS port,
// whose certificate bears another name than its address.
func TestHL7OverTLS(t *testing.T) {
	dir := t.TempDir()
	ca := authority(t, dir, "ca.example", nil)
	gate, partner, other := authority(t, dir, "gateway.example", &ca), authority(t, dir, "pas.example", &ca), authority(t, dir, "other.example", &ca)
	_ = gate
	pool := x509.NewCertPool()
	pool.AddCert(ca.Leaf)
	s := newSystem(t, func(c *gateway.Config) {
		c.MLLPCert, c.MLLPKey, c.MLLPClientCA = filepath.Join(dir, "gateway.example.crt"), filepath.Join(dir, "gateway.example.key"), filepath.Join(dir, "ca.example.crt")
	})
	got := make(chan string, 4)
	srv := &mllp.Server{
		TLS: &tls.Config{Certificates: []tls.Certificate{partner}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12},
		Handler: func(_ context.Context, p mllp.Peer, msg []byte) []byte {
			got <- p.CommonName + "\n" + strings.ReplaceAll(string(msg), "\r", "\n")
			return hl7v2.BuildAck(msg, hl7v2.AA, nil, time.Now(), "ACK1")
		},
	}
	l, err := srv.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = srv.Shutdown(ctx)
		<-served
	})
	sum := sha256.Sum256(partner.Leaf.Raw)
	s.partner("hospital", "hospital-discharge", "RZ901", &auth.MLLPBinding{MSH3: "DEMOPAS", MSH4: "RZ901", CertSHA256: hex.EncodeToString(sum[:]), ReplyTo: l.Addr().String(), TLSName: "pas.example"})
	s.partner("worker", "link-worker", service, nil)
	send := func(cert tls.Certificate, msg []byte) string {
		c, err := mllp.Dial(t.Context(), s.g.MLLP, &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool, ServerName: "gateway.example", MinVersion: tls.VersionTLS12})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ack, err := c.Send(t.Context(), msg)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(ack), "\r", "\n")
	}
	msg := document(t, "referral.hl7", "1")
	if ack := send(other, msg); !strings.Contains(ack, "\nMSA|AR|DEMO1") {
		t.Errorf("another certificate got\n%s", ack)
	}
	if ack := send(partner, msg); !strings.Contains(ack, "\nMSA|AA|DEMO1") {
		t.Fatalf("refused:\n%s", ack)
	}
	s.decide("worker", only(t, s.referrals("worker")), `"status":"accepted"`)
	select {
	case told := <-got:
		if !strings.HasPrefix(told, "gateway.example\n") || !strings.Contains(told, "RF1|A^Accepted") {
			t.Errorf("the partner was told\n%s", told)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("no RRI arrived over TLS")
	}
	s.logsAreClean()
}
