package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// asMain makes the test binary be the command itself, so that a test can kill
// a real gateway.
const asMain = "TRELLIS_TEST_AS_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// A gatewayProcess is `trellis serve` in a process of its own.
type gatewayProcess struct {
	cmd *exec.Cmd
	url string
}

func serve(t *testing.T, data string) *gatewayProcess {
	t.Helper()
	cmd := exec.Command(os.Args[0], "serve", "--data", data, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--mllp", "off")
	cmd.Env = append(os.Environ(), asMain+"=1")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &gatewayProcess{cmd: cmd}
	lines := bufio.NewScanner(stderr)
	for p.url == "" && lines.Scan() {
		var line struct{ Msg, Name, Addr string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" && line.Name == "http" {
			p.url = "http://" + line.Addr
		}
	}
	if p.url == "" {
		t.Fatal("the gateway did not say where it listens")
	}
	go io.Copy(io.Discard, stderr)
	for range 500 {
		resp, err := http.Get(p.url + "/health/ready")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return p
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the gateway is not ready")
	return nil
}

func (p *gatewayProcess) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.cmd.Wait()
}

func (p *gatewayProcess) token(t *testing.T, id, secret string) string {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"system/*.cruds"}}
	req, _ := http.NewRequest(http.MethodPost, p.url+"/oauth2/token", strings.NewReader(form.Encode()))
	req.SetBasicAuth(id, secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var tok struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&tok); err != nil || tok.AccessToken == "" {
		t.Fatalf("token: %s %v", resp.Status, err)
	}
	return tok.AccessToken
}

func (p *gatewayProcess) do(token, method, path string, body []byte) (int, []byte, error) {
	req, _ := http.NewRequest(method, p.url+path, bytes.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/fhir+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

func register(t *testing.T, data, id, role string) string {
	t.Helper()
	code, out, errs := trellis(t, "", "client", "add", id, "--role", role, "--data", data)
	var c struct {
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(out), &c); code != 0 || err != nil {
		t.Fatalf("client add: exit %d, %v\n%s", code, err, errs)
	}
	return c.Secret
}

// TestKilledGatewayLosesNothing: a gateway is killed (SIGKILL) while eight
// senders write. Every referral it acknowledged is there afterwards, with its
// Task and its audit entry.
func TestKilledGatewayLosesNothing(t *testing.T) {
	data := t.TempDir()
	gp, auditor := register(t, data, "gp", "gp-practice"), register(t, data, "auditor", "auditor")
	var mu sync.Mutex
	var acknowledged []string
	for round := range 3 {
		p := serve(t, data)
		token := p.token(t, "gp", gp)
		var wg sync.WaitGroup
		for sender := range 8 {
			wg.Go(func() {
				for i := 0; ; i++ {
					body := fmt.Appendf(nil, `{"resourceType":"ServiceRequest","identifier":[{"system":"urn:x","value":"%d-%d-%d"}],"status":"active","intent":"order","code":{"coding":[{"system":"http://snomed.info/sct","code":"871731000000106"}]},"subject":{"display":"A person"},"authoredOn":"2026-03-04","requester":{"display":"A practice"}}`, round, sender, i)
					status, b, err := p.do(token, http.MethodPost, "/fhir/ServiceRequest", body)
					if err != nil {
						return // killed
					}
					var r struct{ ID string }
					if json.Unmarshal(b, &r); status != http.StatusCreated {
						t.Errorf("create: %d %s", status, b)
						return
					}
					mu.Lock()
					acknowledged = append(acknowledged, r.ID)
					mu.Unlock()
				}
			})
		}
		time.Sleep(time.Duration(150+100*round) * time.Millisecond)
		p.kill(t)
		wg.Wait()
	}
	p := serve(t, data)
	defer p.kill(t)
	t.Logf("%d referrals were acknowledged", len(acknowledged))
	if len(acknowledged) < 20 {
		t.Error("too few to prove anything")
	}
	gpToken, auditToken := p.token(t, "gp", gp), p.token(t, "auditor", auditor)
	for _, id := range acknowledged {
		if status, _, err := p.do(gpToken, http.MethodGet, "/fhir/ServiceRequest/"+id, nil); status != http.StatusOK {
			t.Fatalf("acknowledged referral: %d %v", status, err)
		}
		if _, b, _ := p.do(gpToken, http.MethodGet, "/fhir/Task?focus=ServiceRequest/"+id, nil); !bytes.Contains(b, []byte(`"entry"`)) {
			t.Fatalf("an acknowledged referral has no Task: %s", b)
		}
		if _, b, _ := p.do(auditToken, http.MethodGet, "/fhir/AuditEvent?entity=ServiceRequest/"+id+"&action=C", nil); !bytes.Contains(b, []byte(`"entry"`)) {
			t.Fatalf("an acknowledged referral is not audited: %s", b)
		}
	}
}
