package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway"
	"trellis.example/gateway/intake/mllp"
)

// demoService is the ODS code of the demo's social prescribing service.
const demoService = "Z9D01"

// A partner is a demo client; the secret is kept in the data folder so that
// the demo can run again.
type partner struct {
	ID     string    `json:"client_id"`
	Secret string    `json:"client_secret"`
	Role   auth.Role `json:"role"`
	Org    string    `json:"org"`
}

var demoPartners = []partner{
	{ID: "demo-surgery", Role: "gp-practice", Org: "Y99001"},
	{ID: "demo-hospital", Role: "hospital-discharge", Org: "RZ901"},
	{ID: "demo-police", Role: "police", Org: "P99"},
	{ID: "demo-link-worker", Role: "link-worker", Org: demoService},
	{ID: "demo-auditor", Role: "auditor"},
}

// partners plays the systems that talk to the gateway, over its public ports.
type partners struct {
	g      *gateway.Gateway
	out    io.Writer
	data   string
	start  time.Time
	client http.Client
	known  map[string]partner
	tokens map[string]string
}

func (p *partners) play(ctx context.Context) error {
	if err := p.register(ctx); err != nil {
		return err
	}
	p.sayf("Trellis serves at %s/fhir (MLLP %s, metrics http://%s/metrics), ready after %d ms\n\n",
		p.g.PublicURL, p.g.MLLP, p.g.Admin, time.Since(p.start).Milliseconds())
	steps := []struct {
		title string
		run   func(context.Context) (string, error)
	}{
		{"demo-surgery posts a FHIR transaction to /fhir", p.sendFHIR},
		{"demo-hospital sends HL7 v2 REF^I12 over MLLP", p.sendHL7},
		{"demo-police uploads a notice as CSV to /intake/ppn-csv", p.sendCSV},
		{"demo-surgery sends a BaRS message to /fhir/$process-message", p.sendBaRS},
	}
	for i, s := range steps {
		answer, err := s.run(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
		p.sayf("%d. %s\n   %s\n", i+1, s.title, answer)
	}
	if err := p.sendOthers(ctx); err != nil {
		return err
	}
	return p.look(ctx)
}

func (p *partners) sayf(format string, args ...any) { fmt.Fprintf(p.out, format, args...) }

// register makes the demo clients at the first start and reads their secrets at
// later ones. A client whose secret is in no file, because a start ended in
// between, gets a new one.
func (p *partners) register(ctx context.Context) error {
	p.known, p.tokens = map[string]partner{}, map[string]string{}
	path := filepath.Join(p.data, "demo-partners.json")
	if err := p.readPartners(path); err != nil {
		return err
	}
	all := make([]partner, 0, len(demoPartners))
	for _, x := range demoPartners {
		x, err := p.ensure(ctx, x)
		if err != nil {
			return fmt.Errorf("register %s: %w", x.ID, err)
		}
		p.known[x.ID] = x
		all = append(all, x)
	}
	return writePartners(path, all)
}

func (p *partners) readPartners(path string) error {
	b, err := os.ReadFile(path) //nolint:gosec // a file of the data folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var all []partner
	if err := json.Unmarshal(b, &all); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	for _, x := range all {
		p.known[x.ID] = x
	}
	return nil
}

// writePartners replaces the file whole.
func writePartners(path string, all []partner) error {
	b, err := json.MarshalIndent(all, "", "  ") //nolint:gosec // the secrets are what the file is for
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// ensure returns the partner with the secret of its client.
func (p *partners) ensure(ctx context.Context, x partner) (partner, error) {
	var secret auth.Secret
	switch _, err := p.g.Auth.Clients.Get(ctx, x.ID); {
	case err == nil && p.known[x.ID].Secret != "":
		return p.known[x.ID], nil
	case err == nil:
		_, secret, err = p.g.Auth.Clients.Rotate(ctx, x.ID, auth.Credentials{})
		x.Secret = secret.Reveal()
		return x, err
	case fhir.AsError(err).HTTPStatus() != http.StatusNotFound:
		return x, err
	}
	n := auth.NewClient{ID: x.ID, Role: x.Role, Org: x.Org}
	if x.ID == "demo-hospital" {
		n.MLLP = &auth.MLLPBinding{MSH3: "DEMOPAS", MSH4: x.Org}
	}
	_, secret, err := p.g.Auth.Clients.Add(ctx, n)
	x.Secret = secret.Reveal()
	return x, err
}

// document returns a demo document with this run's times and references.
func document(name string) []byte {
	b, err := demoFiles.ReadFile("demo/" + name)
	if err != nil {
		return nil // embedded: always there
	}
	now := time.Now()
	return []byte(strings.NewReplacer(
		"{{run}}", now.UTC().Format("20060102150405"), "{{uuid}}", uuid.NewString(),
		"{{now}}", now.UTC().Format("2006-01-02T15:04:05Z"), "{{date}}", now.UTC().Format("2006-01-02"),
		"{{hl7now}}", now.UTC().Format("20060102150405+0000"), "{{hl7day}}", now.UTC().Format("20060102"),
		"{{ukdatetime}}", now.UTC().Format("02/01/2006 15:04"),
	).Replace(string(b)))
}

func (p *partners) sendFHIR(ctx context.Context) (string, error) {
	_, body, err := p.do(ctx, "demo-surgery", http.MethodPost, "/fhir", "application/fhir+json", nil, document("referral.json"))
	if err != nil {
		return "", err
	}
	var out struct {
		Entry []struct{ Response struct{ Location string } }
	}
	if err := json.Unmarshal(body, &out); err != nil || len(out.Entry) < 3 {
		return "", fmt.Errorf("an answer with %d entries: %w", len(out.Entry), err)
	}
	return fmt.Sprintf("200: %d resources, referral %s", len(out.Entry), out.Entry[2].Response.Location), nil
}

func (p *partners) sendHL7(ctx context.Context) (string, error) {
	c, err := mllp.Dial(ctx, p.g.MLLP, nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	ack, err := c.Send(ctx, document("referral.hl7"))
	if err != nil {
		return "", err
	}
	for line := range strings.SplitSeq(string(ack), "\r") {
		if strings.HasPrefix(line, "MSA|AA|") {
			return "answered " + line, nil
		}
	}
	return "", fmt.Errorf("refused: %s", strings.ReplaceAll(string(ack), "\r", "\n"))
}

func (p *partners) sendCSV(ctx context.Context) (string, error) {
	_, body, err := p.do(ctx, "demo-police", http.MethodPost, "/intake/ppn-csv", "text/csv", nil, document("referral.csv"))
	if err != nil {
		return "", err
	}
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	if len(lines) < 2 || !strings.Contains(lines[1], ",created,") {
		return "", fmt.Errorf("the result file says %s", body)
	}
	return "200: " + strings.TrimSpace(lines[1]), nil
}

func (p *partners) sendBaRS(ctx context.Context) (string, error) {
	target := base64.StdEncoding.EncodeToString([]byte(`{"value":"9900000001","system":"https://fhir.nhs.uk/Id/dos-service-id"}`))
	h := http.Header{"X-Request-Id": {uuid.NewString()}, "X-Correlation-Id": {uuid.NewString()}, "Nhsd-Target-Identifier": {target}}
	_, body, err := p.do(ctx, "demo-surgery", http.MethodPost, "/fhir/$process-message", "application/fhir+json", h, document("message.json"))
	if err != nil {
		return "", err
	}
	_, after, ok := strings.Cut(string(body), `referral-reference","value":"`)
	if !ok {
		return "", errors.New("the echoed message has no reference to show")
	}
	reference, _, _ := strings.Cut(after, `"`)
	return "200: message echoed with our ids; reference to show the person " + reference, nil
}

// look reads as the link worker what the partners sent, and says how to
// do the same by hand.
func (p *partners) look(ctx context.Context) error {
	_, body, err := p.do(ctx, "demo-link-worker", http.MethodGet, "/fhir/Task?_count=100", "", nil, nil)
	if err != nil {
		return err
	}
	var page struct {
		Entry []struct {
			Resource struct {
				Status string
				Focus  struct{ Reference string }
			}
		}
	}
	if err := json.Unmarshal(body, &page); err != nil {
		return err
	}
	n, first := 0, ""
	for _, e := range page.Entry {
		if e.Resource.Focus.Reference != "" {
			n++
			first = e.Resource.Focus.Reference
		}
	}
	if n < 4 {
		return fmt.Errorf("the link worker sees %d of 4 referrals", n)
	}
	p.sayf("\ndemo-link-worker sees %d referrals waiting, each with its Task. Read one back:\n\n", n)
	x := p.known["demo-link-worker"]
	p.sayf("  TOKEN=$(curl -s -u %s:%s -d grant_type=client_credentials -d scope='system/*.rs' %s/oauth2/token | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\n", x.ID, x.Secret, p.g.PublicURL)
	p.sayf("  curl -s -H \"Authorization: Bearer $TOKEN\" '%s/fhir/%s?_pretty=true'\n", p.g.PublicURL, first)
	p.sayf("\nWhat is served: %s/fhir/metadata. Secrets of the demo partners: %s\n", p.g.PublicURL, filepath.Join(p.data, "demo-partners.json"))
	return p.readBack(ctx, first)
}

// readBack does what the printed lines do, so that they cannot lie.
func (p *partners) readBack(ctx context.Context, ref string) error {
	status, _, err := p.do(ctx, "demo-link-worker", http.MethodGet, "/fhir/"+ref+"?_pretty=true", "", nil, nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("reading the referral back gave %d", status)
	}
	return err
}

// do sends one request with the partner's token and returns the answer's body;
// a status of 300 or more is an error.
func (p *partners) do(ctx context.Context, who, method, path, contentType string, h http.Header, body []byte) (int, []byte, error) {
	token, err := p.token(ctx, who)
	if err != nil {
		return 0, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, p.g.PublicURL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for k, v := range h {
		req.Header[k] = v
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return p.send(req)
}

func (p *partners) token(ctx context.Context, who string) (string, error) {
	if t := p.tokens[who]; t != "" {
		return t, nil
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"system/*.cruds"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.g.PublicURL+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(who, p.known[who].Secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, body, err := p.send(req)
	if err != nil {
		return "", fmt.Errorf("get a token: %w", err)
	}
	var t struct {
		AccessToken string `json:"access_token"`
	}
	err = json.Unmarshal(body, &t)
	p.tokens[who] = t.AccessToken
	return t.AccessToken, err
}

func (p *partners) send(req *http.Request) (int, []byte, error) {
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return resp.StatusCode, b, err
}
