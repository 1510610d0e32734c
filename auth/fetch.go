package auth

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	fetchTimeout = 2 * time.Second
	fetchLimit   = 64 << 10
	// fetchSpacing is the least time between two fetches for one client,
	// whatever kids its assertions name.
	fetchSpacing = 30 * time.Second
	// keysFresh is how long fetched keys are used without asking again, and
	// keysStale how long when the client's server does not answer.
	keysFresh = 5 * time.Minute
	keysStale = time.Hour
)

// Errors of a key fetch. They are told to whoever registers a client; at the
// token endpoint they are all invalid_client.
var (
	errFetchURL     = errors.New("must be an absolute https URL without user name and fragment")
	errFetchAddress = errors.New("must not lead to a private, loopback or otherwise internal address")
	errFetchStatus  = errors.New("did not answer 200 without redirection")
	errFetchSize    = errors.New("answered more than 64 KiB")
	errFetchNet     = errors.New("could not be fetched within 2 seconds")
)

// A keyFetcher fetches clients' key sets from their jwks_uri. A stranger can
// make it work by naming a client and an unknown kid, so each client's server
// is asked at most every 30 seconds, by one request at a time, whatever
// happens.
type keyFetcher struct {
	public   *http.Client // dials public addresses only
	internal *http.Client // dials any address; for test clients of a sandbox
	now      func() time.Time

	mu      sync.Mutex
	clients map[string]fetchedKeys
	flight  singleflight.Group
}

// A keyLocation is a jwks_uri; internal allows http and internal addresses.
type keyLocation struct {
	uri      string
	internal bool
}

type fetchedKeys struct {
	at        keyLocation
	set       keySet
	fetched   time.Time // of set
	attempted time.Time
}

func newKeyFetcher() *keyFetcher {
	return &keyFetcher{
		public: newFetchClient(checkDial), internal: newFetchClient(nil),
		now: time.Now, clients: map[string]fetchedKeys{},
	}
}

func newFetchClient(check func(network, address string, c syscall.RawConn) error) *http.Client {
	dialer := &net.Dialer{Timeout: fetchTimeout, Control: check}
	return &http.Client{
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{ // Proxy stays nil: a proxy would dial for us, unchecked
			DialContext:            dialer.DialContext,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 16 << 10,
			TLSHandshakeTimeout:    fetchTimeout,
		},
	}
}

// checkDial refuses internal addresses where they are certain: after the name
// was resolved, on the very address that is dialled.
func checkDial(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !publicAddr(ap.Addr()) {
		return errFetchAddress
	}
	return nil
}

// internalNets are ranges that netip's methods do not know: shared address
// space, protocol assignments, benchmarking, documentation, reserved; and the
// IPv6 forms that carry an IPv4 address.
var internalNets = func() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}()

func publicAddr(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, n := range internalNets {
		if n.Contains(a.WithZone("")) {
			return false
		}
	}
	return true
}

// keys returns the client's keys, fetched again when kid is not among them or
// they are old, but never more often than every 30 seconds.
func (f *keyFetcher) keys(ctx context.Context, client string, at keyLocation, kid string) keySet {
	now := f.now()
	if k := f.known(client, at); k.set[kid].public != nil && now.Sub(k.fetched) < keysFresh {
		return k.set
	}
	v, _, _ := f.flight.Do(client, func() (any, error) {
		return f.refresh(context.WithoutCancel(ctx), client, at), nil
	})
	return v.(keySet)
}

func (f *keyFetcher) known(client string, at keyLocation) fetchedKeys {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k, ok := f.clients[client]; ok && k.at == at {
		return k
	}
	return fetchedKeys{at: at}
}

func (f *keyFetcher) refresh(ctx context.Context, client string, at keyLocation) keySet {
	k, now := f.known(client, at), f.now()
	if now.Sub(k.attempted).Abs() < fetchSpacing {
		return k.set
	}
	k.attempted = now
	if set, err := f.get(ctx, at); err == nil {
		k.set, k.fetched = set, now
	} else if now.Sub(k.fetched) > keysStale {
		k.set = nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clients[client] = k
	return k.set
}

// get fetches and reads one key set. A set is good when it has at least one
// key that can verify an assertion.
func (f *keyFetcher) get(ctx context.Context, at keyLocation) (keySet, error) {
	if err := at.check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.uri, nil)
	if err != nil {
		return nil, errFetchURL
	}
	req.Header.Set("Accept", "application/json")
	client := f.public
	if at.internal {
		client = f.internal
	}
	resp, err := client.Do(req)
	if err != nil {
		if errors.Is(err, errFetchAddress) {
			return nil, errFetchAddress
		}
		return nil, errFetchNet
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errFetchStatus
	}
	return readKeySet(resp.Body)
}

func readKeySet(r io.Reader) (keySet, error) {
	body, err := io.ReadAll(io.LimitReader(r, fetchLimit+1))
	if err != nil {
		return nil, errFetchNet
	}
	if len(body) > fetchLimit {
		return nil, errFetchSize
	}
	set, problems := parseKeySet(body)
	if len(set) == 0 {
		return nil, errors.Join(problems...)
	}
	return set, nil
}

func (at keyLocation) check() error {
	u, err := url.Parse(at.uri)
	if err != nil || len(at.uri) > 2048 || u.Host == "" || u.User != nil || u.Fragment != "" {
		return errFetchURL
	}
	if u.Scheme != "https" && !(at.internal && u.Scheme == "http") {
		return errFetchURL
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && !at.internal && !publicAddr(a) {
		return errFetchAddress
	}
	return nil
}
