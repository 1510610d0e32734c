package terminology

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/prometheus/client_golang/prometheus"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/profiles/terminology"
)

// Limits of the client.
const (
	// Timeout is how long one question may take, connection included.
	Timeout = time.Second
	// MaxAtOnce is how many questions are under way at a time; more wait for
	// waitForTurn and are then given up.
	MaxAtOnce   = 8
	waitForTurn = 250 * time.Millisecond
	// maxAnswer is the largest answer read, in bytes; maxExpansion that of an
	// expansion.
	maxAnswer    = 64 << 10
	maxExpansion = 2 << 20
	// Answers are remembered for remember, those that say nothing, and those of
	// a server without the value set, for rememberUnknown.
	remember        = time.Hour
	rememberUnknown = 5 * time.Minute
	maxRemembered   = 10_000
	maxExpansions   = 16
	// After failures in a row the server is left alone for pause.
	failures = 5
	pause    = 15 * time.Second
)

// ClientConfig is what a Client is made of.
type ClientConfig struct {
	// URL is the FHIR base of the terminology server, without a trailing slash.
	URL string
	// Token is sent as bearer token; "" sends none.
	Token auth.Secret
	// Service knows what is left open in value sets held here.
	Service *terminology.Service
	// Metrics takes the client's counters; nil: none are kept.
	Metrics prometheus.Registerer
	// Clock is time.Now unless set.
	Clock func() time.Time
}

// A Client asks a terminology server. It is safe for concurrent use.
type Client struct {
	cfg        ClientConfig
	http       *http.Client
	executor   failsafe.Executor[reply]
	answers    *cache[terminology.Answer]
	expansions *cache[fhir.Resource]
	asked      *prometheus.CounterVec
}

var _ terminology.Remote = (*Client)(nil)

// A reply is what a server said: its status and a resource, absent when the
// status says that it does not know.
type reply struct {
	status int
	res    fhir.Resource
}

// NewClient returns a client for the server.
func NewClient(c ClientConfig) *Client {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	base := &http.Client{
		// Elsewhere is not the configured server, whatever it says.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{ // Proxy stays nil: questions go to the configured host alone
			DialContext:           (&net.Dialer{Timeout: Timeout}).DialContext,
			TLSHandshakeTimeout:   Timeout,
			ResponseHeaderTimeout: Timeout,
			MaxIdleConnsPerHost:   MaxAtOnce, MaxConnsPerHost: MaxAtOnce, IdleConnTimeout: time.Minute,
			ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 16 << 10,
		},
	}
	breaker := circuitbreaker.NewBuilder[reply]().WithFailureThreshold(failures).WithDelay(pause).
		// Who asked went away: that says nothing of the server.
		HandleIf(func(_ reply, err error) bool { return err != nil && !errors.Is(err, context.Canceled) }).Build()
	turns := bulkhead.NewBuilder[reply](MaxAtOnce).WithMaxWaitTime(waitForTurn).Build()
	client := &Client{
		cfg: c, http: base, executor: failsafe.With[reply](turns, breaker),
		answers: newCache[terminology.Answer](maxRemembered, c.Clock), expansions: newCache[fhir.Resource](maxExpansions, c.Clock),
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "trellis_terminology_questions_total", Help: "Questions to the terminology server, by how they ended: yes, no, unknown, listed, away, remembered.",
		}, []string{"outcome"}),
	}
	if c.Metrics != nil {
		c.Metrics.MustRegister(client.asked)
	}
	return client
}

// ValidateCode asks whether the code is in the value set, or in the code system
// when there is none. For a value set that is held here in part it asks about
// the open part alone. Only systems and value sets that are URLs, and codes
// without blanks, are sent: anything else may be somebody's words.
func (c *Client) ValidateCode(ctx context.Context, q terminology.Query) (terminology.Answer, error) {
	if !sendable(q.System, q.Code) || !isCanonical(q.ValueSet) {
		return terminology.Unknown, nil
	}
	key := q.ValueSet + "\n" + q.System + "\n" + q.Code
	if a, ok := c.answers.get(key); ok {
		c.count("remembered")
		return a, nil
	}
	path, params := c.question(q)
	if path == "" {
		return terminology.Unknown, nil
	}
	r, err := c.ask(ctx, path, params, maxAnswer)
	if err != nil {
		return terminology.Unknown, err
	}
	a := answerOf(r)
	c.count(a.String())
	ttl := remember
	if a == terminology.Unknown {
		ttl = rememberUnknown
	}
	c.answers.put(strings.Clone(key), a, ttl)
	return a, nil
}

// question is the operation and the parameters that ask q; "" when it cannot be
// asked.
func (c *Client) question(q terminology.Query) (string, []object) {
	if q.ValueSet == "" {
		return "/CodeSystem/$validate-code", []object{{"name": "url", "valueUri": q.System}, {"name": "code", "valueCode": q.Code}}
	}
	code := []object{{"name": "system", "valueUri": q.System}, {"name": "code", "valueCode": q.Code}}
	return "/ValueSet/$validate-code", c.about(code, q.ValueSet, c.cfg.Service.Undecided(q.ValueSet, q.System), c.cfg.Service.Set(q.ValueSet) != nil)
}

// about names the value set: its open part when it is held here, else by url.
func (c *Client) about(params []object, canonical string, open []byte, held bool) []object {
	switch {
	case open != nil:
		return append(params, object{"name": "valueSet", "resource": json.RawMessage(open)})
	case held:
		return nil
	}
	u := fhir.ParseCanonical(canonical)
	params = append(params, object{"name": "url", "valueUri": u.URL})
	if u.Version != "" {
		params = append(params, object{"name": "valueSetVersion", "valueString": u.Version})
	}
	return params
}

// maxAddress is the longest system or canonical that is sent and remembered:
// documents may bring any.
const maxAddress = 255

// sendable reports whether a coding can leave the house: it names a public
// system, not one of a partner's own numbers, and looks like a code.
func sendable(system, code string) bool {
	u, err := url.Parse(system)
	public := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil || strings.HasPrefix(system, "urn:oid:") || strings.HasPrefix(system, "urn:iso:") || strings.HasPrefix(system, "urn:ietf:")
	return public && !numbersPeople(system) && isCanonical(system) && code != "" && len(code) <= 128 && !strings.ContainsAny(code, " \t\r\n@")
}

// numbersPeople reports whether a system is of identifiers rather than codes: by
// the NHS's convention, those have Id in their address.
func numbersPeople(system string) bool { return strings.Contains(system, "/Id/") }

// isCanonical reports whether s has the form of a canonical, or is empty. Value
// sets are named by Questionnaires too, which may come with the document.
func isCanonical(s string) bool {
	return len(s) <= maxAddress && !strings.ContainsAny(s, " \t\r\n@")
}

// Expand asks for the codes of a value set: of open, a definition, when it is
// not nil, else of the canonical. The resource is absent when the server cannot
// list it.
func (c *Client) Expand(ctx context.Context, canonical string, open []byte) (fhir.Resource, error) {
	key := canonical + "\n" + string(open)
	if r, ok := c.expansions.get(key); ok {
		c.count("remembered")
		return r, nil
	}
	params := c.about([]object{{"name": "excludeNested", "valueBoolean": true}}, canonical, open, false)
	r, err := c.ask(ctx, "/ValueSet/$expand", params, maxExpansion)
	if err != nil {
		return fhir.Resource{}, fhir.Wrap(err, fhir.Transient, "unable to list the value set: the terminology server does not answer")
	}
	if r.res.Type() != "ValueSet" || !r.res.Root().Get("expansion").Exists() {
		c.count(terminology.Unknown.String())
		c.expansions.put(key, fhir.Resource{}, rememberUnknown)
		return fhir.Resource{}, nil
	}
	c.count("listed")
	c.expansions.put(key, r.res, remember)
	return r.res, nil
}

// lookup asks for the texts of a code; unknown is the error when the server
// does not know it.
func (c *Client) lookup(ctx context.Context, q terminology.Coding, unknown error) (*terminology.LookupResult, error) {
	if !sendable(q.System, q.Code) {
		return nil, unknown
	}
	params := []object{{"name": "system", "valueUri": q.System}, {"name": "code", "valueCode": q.Code}}
	if q.Version != "" {
		params = append(params, object{"name": "version", "valueString": q.Version})
	}
	r, err := c.ask(ctx, "/CodeSystem/$lookup", params, maxAnswer)
	if err != nil {
		return nil, fhir.Wrap(err, fhir.Transient, "unable to look up: the terminology server does not answer")
	}
	out := &terminology.LookupResult{Concept: terminology.Concept{Code: q.Code}}
	for p := range r.res.Root().Get("parameter").Items() {
		switch v := p.Get("valueString").Text(); p.Get("name").Text() {
		case "name":
			out.Name = v
		case "version":
			out.Version = v
		case "display":
			out.Display = v
		}
	}
	if out.Name == "" || out.Display == "" {
		c.count(terminology.Unknown.String())
		return nil, unknown
	}
	c.count(terminology.Yes.String())
	return out, nil
}

func (c *Client) count(outcome string) { c.asked.WithLabelValues(outcome).Inc() }
