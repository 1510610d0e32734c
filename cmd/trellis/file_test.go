package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// policeFile returns a file of n rows with references of their own.
func policeFile(t *testing.T, n int) []byte {
	t.Helper()
	b, err := os.ReadFile("demo/referral.csv")
	if err != nil {
		t.Fatal(err)
	}
	head, row, _ := strings.Cut(strings.ReplaceAll(string(b), "{{ukdatetime}}", "04/03/2026 10:15"), "\n")
	var out bytes.Buffer
	out.WriteString(head + "\n")
	for i := range n {
		out.WriteString(strings.Replace(strings.TrimSuffix(row, "\n"), "{{run}}", fmt.Sprint(i), 1) + "\n")
	}
	return out.Bytes()
}

func (p *gatewayProcess) sendFile(token string, file []byte) (int, []byte, error) {
	req, _ := http.NewRequest(http.MethodPost, p.url+"/intake/ppn-csv", bytes.NewReader(file))
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "text/csv")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(resp.Body)
	return resp.StatusCode, b.Bytes(), err
}

// TestKilledInAFile: a gateway is killed (SIGKILL) in the middle of a file, twice.
// The file goes on where it stopped when it is sent again; in the end every row
// is there once, with its audit entry.
func TestKilledInAFile(t *testing.T) {
	const rows = 2500
	data := t.TempDir()
	secret, auditor := register(t, data, "police", "police"), register(t, data, "auditor", "auditor")
	file := policeFile(t, rows)
	for round := range 2 {
		p := serve(t, data)
		token := p.token(t, "police", secret)
		time.AfterFunc(time.Duration(800+700*round)*time.Millisecond, func() { p.cmd.Process.Kill() })
		if status, _, err := p.sendFile(token, file); err == nil && status == http.StatusOK {
			t.Log("the file was done before the gateway could be killed")
		}
		p.cmd.Wait()
	}
	p := serve(t, data)
	defer p.kill(t)
	token := p.token(t, "police", secret)
	status, b, err := p.sendFile(token, file)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%d %v", status, err)
	}
	lines, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil || len(lines) != rows+1 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	seen := map[string]bool{}
	audit := p.token(t, "auditor", auditor)
	for i, l := range lines[1:] {
		if l[0] != fmt.Sprint(i+1) || l[2] != "created" && l[2] != "unchanged" || seen[l[3]] {
			t.Fatalf("line %d: row %s %s", i+1, l[0], l[2])
		}
		seen[l[3]] = true
		if i%101 != 0 {
			continue
		}
		if status, _, err := p.do(token, http.MethodGet, "/fhir/"+l[3], nil); status != http.StatusOK {
			t.Errorf("row %d: %d %v", i+1, status, err)
		}
		if _, b, _ := p.do(audit, http.MethodGet, "/fhir/AuditEvent?entity="+l[3]+"&action=C", nil); bytes.Count(b, []byte(`"resource":{"resourceType":"AuditEvent"`)) != 1 {
			t.Errorf("row %d is not audited once:\n%.600s", i+1, b)
		}
	}
	if _, b, _ := p.do(token, http.MethodGet, "/fhir/ServiceRequest?_summary=count", nil); !bytes.Contains(b, []byte(fmt.Sprintf(`"total":%d`, rows))) {
		t.Errorf("the store does not hold each row once: %.300s", b)
	}
}
