package mllp

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
	"math/big"
	"net"
	"testing"
	"time"
)

// newCert makes a certificate signed by parent, or by itself.
func newCert(t *testing.T, name string, parent *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: parent == nil, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	signer, signKey := tmpl, any(key)
	if parent != nil {
		signer, signKey = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, signer, &key.PublicKey, signKey)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestTLSClientCertificate(t *testing.T) {
	ca := newCert(t, "test authority", nil)
	pool := x509.NewCertPool()
	pool.AddCert(ca.Leaf)
	client := newCert(t, "gp.example", &ca)
	peers := make(chan Peer, 1)
	addr := start(t, &Server{
		TLS: &tls.Config{
			Certificates: []tls.Certificate{newCert(t, "gateway", &ca)},
			ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12,
		},
		Handler: func(ctx context.Context, p Peer, msg []byte) []byte {
			peers <- p
			return echo(ctx, p, msg)
		},
	})
	c, err := Dial(t.Context(), addr, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{client}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if got, err := c.Send(t.Context(), []byte("one")); err != nil || string(got) != "ACK one" {
		t.Fatalf("Send = %q, %v", got, err)
	}
	sum := sha256.Sum256(client.Certificate[0])
	if p := <-peers; p.CommonName != "gp.example" || p.CertSHA256 != hex.EncodeToString(sum[:]) || p.RemoteAddr == "" {
		t.Errorf("peer %+v", p)
	}
}

func TestTLSRefusesStrangers(t *testing.T) {
	ca, other := newCert(t, "test authority", nil), newCert(t, "other authority", nil)
	pool := x509.NewCertPool()
	pool.AddCert(ca.Leaf)
	s := &Server{Handler: echo, ReadTimeout: 200 * time.Millisecond, TLS: &tls.Config{
		Certificates: []tls.Certificate{newCert(t, "gateway", &ca)},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12,
	}}
	addr := start(t, s)
	for name, certs := range map[string][]tls.Certificate{"none": nil, "foreign": {newCert(t, "gp.example", &other)}} {
		c, err := Dial(t.Context(), addr, &tls.Config{RootCAs: pool, Certificates: certs, MinVersion: tls.VersionTLS12})
		if err != nil {
			continue // TLS 1.2 tells at once
		}
		if _, err := c.Send(t.Context(), []byte("one")); err == nil {
			t.Errorf("%s: a stranger's message was answered", name)
		}
		_ = c.Close()
	}
	_, _ = dialRaw(t, addr).Write([]byte("\x0bplain\x1c\r"))
	silent := dialRaw(t, addr) // never says hello
	buf := make([]byte, 100)
	for {
		if _, err := silent.Read(buf); err != nil {
			break
		}
	}
	if s.Stats().Messages != 0 {
		t.Error("a stranger's message was handled")
	}
}
