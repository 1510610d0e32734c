package auth

import (
	"crypto/ecdsa"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func kids(t *testing.T, g *testGateway) []KeyInfo {
	t.Helper()
	l, err := g.Keys.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestKeyRotation(t *testing.T) {
	g := newGateway(t)
	_, secret := g.add(t, NewClient{ID: "gp-1", Role: "gp-practice"})
	first := g.token(t, "gp-1", secret, "")
	// As `trellis key rotate` does: another process, same folder and store.
	cli := OpenKeys(g.keyDir, g.storage, time.Hour)
	cli.now = g.clock.now
	if err := cli.Rotate(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	g.clock.add(2 * time.Second)
	before := kids(t, g)
	if len(before) != 2 || before[0].Until.IsZero() || !before[1].Until.IsZero() || !before[1].Own {
		t.Fatalf("after rotation: %v", before)
	}
	if body := do(t, mustRequest(t, http.MethodGet, g.url+JWKSPath)).body; strings.Count(body, `"kid"`) != 2 || strings.Contains(body, `"d"`) {
		t.Errorf("jwks: %s", body)
	}
	wantKid := func(token, kid string) {
		t.Helper()
		p, err := parseJWT(token)
		if err != nil || p.header.Kid != kid {
			t.Errorf("signed with %s, want %s (%v)", p.header.Kid, kid, err)
		}
	}
	wantKid(g.token(t, "gp-1", secret, ""), before[0].Kid)
	wantStatus := func(step, token string, status int) {
		t.Helper()
		if a := g.read(t, token); a.status != status {
			t.Errorf("%s: %d, want %d", step, a.status, status)
		}
	}
	wantStatus("before use of the next", first, 200)
	g.clock.add(keyNotice)
	second := g.token(t, "gp-1", secret, "")
	wantKid(second, before[1].Kid)
	wantStatus("second", second, 200)
	// The retired key goes when its last token has expired.
	g.clock.add(2 * time.Hour)
	if err := g.Maintain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l := kids(t, g); len(l) != 1 || l[0].Kid != before[1].Kid {
		t.Errorf("after two hours: %v", l)
	}
	if files, _ := listKeyFiles(g.keyDir); len(files) != 1 {
		t.Errorf("%d key files, want 1", len(files))
	}
	g.token(t, "gp-1", secret, "")
}

// TestLeakedKey: rotating at once makes tokens of the old key worthless within
// a second, verified before or not.
func TestLeakedKey(t *testing.T) {
	g := newGateway(t)
	_, secret := g.add(t, NewClient{ID: "gp-1", Role: "gp-practice"})
	old := g.token(t, "gp-1", secret, "")
	if a := g.read(t, old); a.status != 200 {
		t.Fatal(a.status)
	}
	cli := OpenKeys(g.keyDir, g.storage, time.Hour)
	cli.now = g.clock.now
	if err := cli.Rotate(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	g.clock.add(1100 * time.Millisecond)
	if a := g.read(t, old); a.status != 401 {
		t.Errorf("old token: %d", a.status)
	}
	if a := g.read(t, g.token(t, "gp-1", secret, "")); a.status != 200 {
		t.Errorf("new token: %d", a.status)
	}
}

func TestKeyAges(t *testing.T) {
	g := newGateway(t, func(c *Config) { c.KeyLife = 24 * time.Hour })
	for _, tt := range []struct {
		add  time.Duration
		keys int
	}{{0, 1}, {23 * time.Hour, 1}, {2 * time.Hour, 2}, {time.Minute, 2}, {time.Hour, 1}} {
		g.clock.add(tt.add)
		if err := g.Maintain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if l := kids(t, g); len(l) != tt.keys {
			t.Errorf("%v later: %d keys, want %d: %v", tt.add, len(l), tt.keys, l)
		}
	}
}

// TestTwoGateways: gateways of one store accept each other's tokens and hold
// only their own private keys.
func TestTwoGateways(t *testing.T) {
	a := newGateway(t)
	dir := t.TempDir()
	b, err := NewServer(t.Context(), Config{PublicURL: a.url, KeyDir: dir, Storage: a.storage, Now: a.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	_, secret := a.add(t, NewClient{ID: "gp-1", Role: "gp-practice"})
	token := a.token(t, "gp-1", secret, "")
	a.clock.add(2 * time.Second)
	req := mustRequest(t, http.MethodGet, a.url)
	req.Header.Set("Authorization", "Bearer "+token)
	p, err := b.Authenticate(req)
	if err != nil || p.ClientID != "gp-1" {
		t.Errorf("second gateway: %v, %v", p.ClientID, err)
	}
	mine := 0
	for _, k := range kids(t, a) {
		if k.Own {
			mine++
		}
	}
	if len(kids(t, a)) != 2 || mine != 1 {
		t.Errorf("keys: %v", kids(t, a))
	}
	files, err := listKeyFiles(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("files: %v, %v", files, err)
	}
}

func TestKeyFiles(t *testing.T) {
	g := newGateway(t)
	files, _ := filepath.Glob(filepath.Join(g.keyDir, "*.pem"))
	if len(files) != 1 {
		t.Fatalf("files: %v", files)
	}
	info, err := os.Stat(files[0])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	restart := func(storage Storage) error {
		_, err := NewServer(t.Context(), Config{PublicURL: g.url, KeyDir: g.keyDir, Storage: storage})
		return err
	}
	if err := restart(g.storage); err != nil {
		t.Errorf("restart: %v", err)
	}
	// A folder moved to a new store: its key is published again.
	fresh := newMemStorage()
	if err := restart(fresh); err != nil || len(fresh.docs) != 1 {
		t.Errorf("new store: %v, %d keys", err, len(fresh.docs))
	}
	for name, spoil := range map[string]func() error{
		"readable by others": func() error { return os.Chmod(files[0], 0o644) },
		"not PEM":            func() error { return os.WriteFile(files[0], []byte("x"), 0o600) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if err := restart(g.storage); err == nil || !strings.Contains(err.Error(), "signing key") {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.Chmod(files[0], 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLostFolder: a gateway whose folder was lost makes a new key and goes on.
func TestLostFolder(t *testing.T) {
	g := newGateway(t)
	s, err := NewServer(t.Context(), Config{PublicURL: g.url, KeyDir: t.TempDir(), Storage: g.storage})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Keys.signer(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSigning(t *testing.T) {
	now := time.Now()
	tests := []struct {
		name  string
		from  map[string]time.Duration
		until map[string]time.Duration
		want  string
	}{
		{"none", nil, nil, ""},
		{"newest due", map[string]time.Duration{"a": -3, "b": -1, "c": -2}, nil, "b"},
		{"next is not due", map[string]time.Duration{"a": -3, "b": time.Minute}, nil, "a"},
		{"clock was set back", map[string]time.Duration{"a": time.Hour, "b": 2 * time.Hour}, nil, "a"},
		{"retired", map[string]time.Duration{"a": -3, "b": -1}, map[string]time.Duration{"b": 0}, "a"},
		{"all retired", map[string]time.Duration{"a": -3}, map[string]time.Duration{"a": -1}, ""},
	}
	for _, tt := range tests {
		s := &keyState{public: map[string]publicKey{}, own: map[string]*ecdsa.PrivateKey{}}
		for kid, d := range tt.from {
			p := publicKey{keyDoc: keyDoc{From: now.Add(d)}}
			if u, ok := tt.until[kid]; ok {
				p.Until = now.Add(u)
			}
			s.public[kid], s.own[kid] = p, nil
		}
		if got := s.signing(now); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestHostileKid: a kid that a spoiled store names as a path leads nowhere.
func TestHostileKid(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "out.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	inner := filepath.Join(dir, "keys")
	if err := os.Mkdir(inner, 0o700); err != nil {
		t.Fatal(err)
	}
	if key, err := readKeyFile(inner, "../out"); err == nil || key != nil || strings.Contains(err.Error(), "PEM") {
		t.Errorf("read outside the folder: %v", err)
	}
}

// TestConcurrentUse has tokens issued and used while keys rotate and clients
// change; it is for the race detector.
func TestConcurrentUse(t *testing.T) {
	g := newGateway(t)
	_, secret := g.add(t, NewClient{ID: "gp-1", Role: "gp-practice"})
	g.add(t, NewClient{ID: "other", Role: "person"})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if a := g.read(t, g.token(t, "gp-1", secret, "")); a.status != 200 {
					t.Errorf("%d %s", a.status, a.body)
				}
			}
		})
	}
	for range 10 {
		g.clock.add(700 * time.Millisecond)
		if err := g.Keys.Rotate(t.Context(), false); err != nil {
			t.Error(err)
		}
		if _, err := g.Clients.RevokeTokens(t.Context(), "other"); err != nil {
			t.Error(err)
		}
		if err := g.Maintain(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}
