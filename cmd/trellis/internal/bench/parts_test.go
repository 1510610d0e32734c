package bench

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"trellis.example/fhir"
)

func TestNHSNumbers(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range nhsNumbers(20_000) {
		if !fhir.NHSNumber(s) || !strings.HasPrefix(s, "999") || seen[s] {
			t.Fatalf("%q is no NHS number of the range 999, or a repeat", s)
		}
		seen[s] = true
	}
	if len(seen) != 20_000 {
		t.Errorf("%d numbers", len(seen))
	}
}

func TestTemplate(t *testing.T) {
	t1 := newTemplate([]byte("a " + numberMark + " b " + numberMark + " " + nhsMark))
	t2 := t1.clone()
	t1.setNumber(numberMark, 42)
	t1.set(nhsMark, "9990000018")
	if got, want := string(t1.b), "a 0000000042 b 0000000042 9990000018"; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	if !bytes.Contains(t2.b, []byte(numberMark)) {
		t.Error("a clone shares its bytes")
	}
}

func TestPlaceholdersHaveTheLengthOfWhatReplacesThem(t *testing.T) {
	if len(nhsMark) != 10 || len(patientMark) != 36 || len(idMark) != 36 ||
		len(rowMark(99)) != len(numberMark) || len(rowPerson(99)) != 10 {
		t.Error("a placeholder has another length than what replaces it")
	}
}

func TestDocuments(t *testing.T) {
	marks := map[string][]string{
		"plain.json":       {numberMark, patientMark},
		"referral.json":    {numberMark, patientMark},
		"patient.json":     {nhsMark},
		"consent.json":     {patientMark},
		"transaction.json": {numberMark, nhsMark},
		"bars.json":        {numberMark, nhsMark},
		"referral.hl7":     {numberMark, nhsMark},
		"notice.csv":       {numberMark, nhsMark},
	}
	for name, want := range marks {
		b, err := document(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range want {
			if !bytes.Contains(b, []byte(m)) {
				t.Errorf("%s has no place for %s", name, m)
			}
		}
		f, err := filled(name)
		if err != nil || bytes.Contains(f, []byte("@@")) {
			t.Errorf("%s is not filled whole: %v", name, err)
		}
		if strings.HasSuffix(name, ".json") {
			if _, err := fhir.Decode(f); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestRequestsAre34KB(t *testing.T) {
	for _, name := range []string{"plain.json", "referral.json"} {
		if b, err := document(name); err != nil || len(b) < 3300 || len(b) > 3500 {
			t.Errorf("%s has %d bytes, %v", name, len(b), err)
		}
	}
}

func TestNotices(t *testing.T) {
	b, err := notices(fileRows)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{persons: nhsNumbers(1000)}
	rows, err := csv.NewReader(bytes.NewReader(s.fillRows(newTemplate(b, rowMarks()...), 7))).ReadAll()
	if err != nil || len(rows) != fileRows+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if got := rows[3][0]; got != "PPN-0000000702" {
		t.Errorf("third reference %q", got)
	}
	if rows[1][20] == rows[2][20] || !fhir.NHSNumber(rows[1][20]) {
		t.Errorf("persons %q, %q", rows[1][20], rows[2][20])
	}
}

func TestTaken(t *testing.T) {
	head := "row,record_key,status,our_reference\n"
	tests := []struct {
		status       int
		body         string
		done, failed int
	}{
		{200, head + strings.Repeat("1,a,created,SP\n", fileRows), fileRows, 0},
		{200, head + "1,a,created,SP\n2,b,rejected,\n", 1, fileRows - 1},
		{200, "row,what\n1,created\n", 0, fileRows}, // not a result file
		{422, head + "1,a,created,SP\n", 0, fileRows},
		{200, "", 0, fileRows},
	}
	for _, tt := range tests {
		if done, failed := taken(0, answer{status: tt.status, body: []byte(tt.body)}); done != tt.done || failed != tt.failed {
			t.Errorf("taken(%d, %.40q) = %d, %d; want %d, %d", tt.status, tt.body, done, failed, tt.done, tt.failed)
		}
	}
}

func TestHistogram(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 127, 128, 12345, time.Millisecond, time.Second, time.Minute} {
		if up := upper(bucket(uint64(d))); up < d || float64(up) > float64(d)*1.016+1 {
			t.Errorf("%s is kept as %s", d, up)
		}
	}
	var h, more histogram
	for i := range 100 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	more.add(time.Hour)
	h.merge(&more)
	if p50 := h.quantile(0.5); p50 < 50*time.Millisecond || p50 > 52*time.Millisecond {
		t.Errorf("p50 %s", p50)
	}
	if p := h.quantile(1); p < time.Hour {
		t.Errorf("p100 %s", p)
	}
	if (&histogram{}).quantile(0.99) != 0 {
		t.Error("nothing measured is not 0")
	}
}

func TestChildLog(t *testing.T) {
	l := newChildLog("http", "admin")
	for _, piece := range []string{
		"not JSON\n{\"msg\":\"listening\",\"name\":\"mllp\",\"addr\":\"127.0.0.1:1\"}\n{\"msg\":\"listening\",",
		"\"name\":\"http\",\"addr\":\"127.0.0.1:2\"}\n{\"msg\":\"listening\",\"name\":\"admin\",\"addr\":\"127.0.0.1:3\"}\n",
	} {
		select {
		case <-l.ready:
			t.Fatal("ready too early")
		default:
		}
		l.Write([]byte(piece))
	}
	<-l.ready
	if l.addrs["http"] != "127.0.0.1:2" || l.addrs["admin"] != "127.0.0.1:3" {
		t.Errorf("%v", l.addrs)
	}
	for range 1000 {
		l.Write(bytes.Repeat([]byte("x"), 999))
	}
	l.Write([]byte("\nthe end\n"))
	if last := l.last(); len(last) > tailSize || !strings.HasSuffix(last, "the end") {
		t.Errorf("%d bytes of the log are kept", len(last))
	}
}

func TestWithDatabase(t *testing.T) {
	tests := []struct{ in, want string }{
		{"mongodb://h:27017", "mongodb://h:27017/new"},
		{"mongodb://h1:27017,h2:27018/old?replicaSet=r", "mongodb://h1:27017,h2:27018/new?replicaSet=r"},
		{"mongodb://u:p@h/old", "mongodb://u:p@h/new?authSource=old"},
		{"mongodb://u:p@h/?tls=true", "mongodb://u:p@h/new?tls=true"},
		{"mongodb://u:p@h/old?authSource=admin", "mongodb://u:p@h/new?authSource=admin"},
		{"nonsense", "nonsense"},
	}
	for _, tt := range tests {
		if got := withDatabase(tt.in, "new"); got != tt.want {
			t.Errorf("withDatabase(%q) = %q; want %q", tt.in, got, tt.want)
		}
	}
}

func TestProfileName(t *testing.T) {
	if got := profileName("/a/cpu.pprof", "read"); got != "/a/cpu.read.pprof" {
		t.Error(got)
	}
}

func TestConfig(t *testing.T) {
	good := Config{Duration: time.Second, Clients: 8}
	tests := []struct {
		change func(*Config)
		want   string
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.Duration = time.Hour }, "duration"},
		{func(c *Config) { c.Clients = 0 }, "clients"},
		{func(c *Config) { c.Only = []string{"create", "fly"} }, `"fly"`},
	}
	for _, tt := range tests {
		c := good
		tt.change(&c)
		err := c.validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v; want %q", err, tt.want)
		}
	}
}
