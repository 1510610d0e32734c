package directory

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"golang.org/x/time/rate"

	"trellis.example/auth"
)

// Limits on a feed. A national directory has some tens of thousands of services.
const (
	maxAnswer    = 16 << 20 // bytes of one answer, unpacked
	maxPages     = 20_000
	maxServices  = 200_000
	maxRedirects = 5
	maxTries     = 4
	// fetchTimeout is for one answer, to its last byte.
	fetchTimeout = 30 * time.Second
	// maxWait is the longest that a Retry-After is heeded.
	maxWait = 2 * time.Minute
)

// Errors of a feed. None holds anything that the feed sent.
var (
	errFeedURL      = errors.New("the address of a feed is http(s)://host[:port][/path] without user name, query and fragment; http for addresses of this machine only")
	errFeedAddress  = errors.New("the feed leads to a private, loopback or otherwise internal address; allow that with --allow-private if it is yours")
	errFeedRedirect = errors.New("the feed redirects too often, or away from https")
	errFeedSize     = errors.New("an answer of the feed is larger than 16 MB")
	errFeedNet      = errors.New("the feed could not be reached")
	errFeedCut      = errors.New("an answer of the feed broke off")
)

// A statusError is an answer that is neither 200 nor 304.
type statusError struct {
	code int
	wait time.Duration
}

func (e *statusError) Error() string {
	return "the feed answered " + strconv.Itoa(e.code) + " " + http.StatusText(e.code)
}

// An answer is what a feed said to one question.
type answer struct {
	unchanged bool // 304
	etag      string
	body      []byte
}

// A fetcher asks a feed: politely, again when it stumbles, and with a guard on
// where it leads.
type fetcher struct {
	base  string
	http  *http.Client
	pace  *rate.Limiter
	retry failsafe.Executor[answer]
}

// newFetcher returns a fetcher for the feed. private allows internal addresses;
// perSecond is how many questions it asks a second at most.
func newFetcher(base string, private bool, perSecond float64, backoff time.Duration) (*fetcher, error) {
	base = strings.TrimRight(base, "/")
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(base) > 2000 ||
		u.Scheme != "https" && (u.Scheme != "http" || !private) {
		return nil, errFeedURL
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && !private && auth.PublicDial("tcp", net.JoinHostPort(a.String(), "443"), nil) != nil {
		return nil, errFeedAddress
	}
	policy := retrypolicy.NewBuilder[answer]().
		HandleIf(func(_ answer, err error) bool { return transient(err) }).
		WithMaxAttempts(maxTries).ReturnLastFailure().
		WithDelayFunc(func(e failsafe.ExecutionAttempt[answer]) time.Duration { return delay(e, backoff) }).Build()
	return &fetcher{base: base, http: guarded(private), pace: rate.NewLimiter(rate.Limit(perSecond), 1), retry: failsafe.With[answer](policy)}, nil
}

// guarded returns a client that dials public addresses only, unless private.
func guarded(private bool) *http.Client {
	var check func(string, string, syscall.RawConn) error
	if !private {
		check = auth.PublicDial
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: check}
	return &http.Client{
		Timeout: fetchTimeout,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects || r.URL.Scheme != "https" && via[0].URL.Scheme == "https" {
				return errFeedRedirect
			}
			return nil
		},
		Transport: &http.Transport{ // Proxy stays nil: a proxy would dial for us, unchecked
			DialContext: dialer.DialContext, MaxResponseHeaderBytes: 64 << 10, TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConnsPerHost: pullWorkers, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
	}
}

// transient reports faults that may pass.
func transient(err error) bool {
	if s, ok := errors.AsType[*statusError](err); ok {
		return s.code >= 500 || s.code == http.StatusTooManyRequests || s.code == http.StatusRequestTimeout
	}
	return errors.Is(err, errFeedNet) || errors.Is(err, errFeedCut)
}

// delay is how long to wait before the next try: what the feed asked for, else
// longer each time with jitter of a half.
func delay(e failsafe.ExecutionAttempt[answer], backoff time.Duration) time.Duration {
	if s, ok := errors.AsType[*statusError](e.LastError()); ok && s.wait > 0 {
		return min(s.wait, maxWait)
	}
	d := backoff << min(e.Attempts(), 6)
	return d/2 + time.Duration(time.Now().UnixNano())%(d/2+1)
}

// get asks for a path below the base. etag, unless empty, is that of the last
// answer.
func (f *fetcher) get(ctx context.Context, path, etag string) (answer, error) {
	return f.retry.WithContext(ctx).Get(func() (answer, error) { return f.try(ctx, path, etag) })
}

func (f *fetcher) try(ctx context.Context, path, etag string) (answer, error) {
	if err := f.pace.Wait(ctx); err != nil {
		return answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base+path, nil)
	if err != nil {
		return answer{}, errFeedURL
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "trellis-directory/1")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := f.http.Do(req)
	if err != nil {
		return answer{}, feedError(ctx, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && etag != "":
		return answer{unchanged: true, etag: etag}, nil
	case resp.StatusCode != http.StatusOK:
		return answer{}, &statusError{resp.StatusCode, retryAfter(resp.Header)}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case ctx.Err() != nil:
		return answer{}, ctx.Err()
	case len(body) > maxAnswer:
		return answer{}, errFeedSize
	case err != nil:
		return answer{}, errFeedCut
	}
	return answer{etag: tag(resp.Header.Get("ETag")), body: body}, nil
}

// feedError names what went wrong without what the feed said: an error of
// net/http holds addresses.
func feedError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, e := range []error{errFeedRedirect, errFeedAddress} {
		if errors.Is(err, e) {
			return e
		}
	}
	if auth.IsInternalDial(err) {
		return errFeedAddress
	}
	return errFeedNet
}

// tag keeps an ETag that may be sent back.
func tag(s string) string {
	if len(s) > 200 || strings.ContainsAny(s, "\r\n") {
		return ""
	}
	return s
}

// retryAfter reads the seconds of a Retry-After; other forms are left.
func retryAfter(h http.Header) time.Duration {
	n, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, 3600)) * time.Second
}
