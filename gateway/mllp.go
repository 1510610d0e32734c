package gateway

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/delivery"
	"trellis.example/gateway/intake"
	"trellis.example/gateway/intake/mllp"
	"trellis.example/gateway/server"
	codec "trellis.example/mapping/codec/hl7v2"
	"trellis.example/mapping/formats/hl7v2"
)

// newMLLP opens the MLLP port. A sender is the client that is bound to its
// certificate, MSH-3 and MSH-4; anyone else gets AR.
func (g *Gateway) newMLLP(ctx context.Context, in *intake.Intake) (err error) {
	if g.cfg.MLLP == Off {
		return nil
	}
	config, err := g.mllpTLS()
	if err != nil {
		return err
	}
	g.hl7 = &mllp.Server{TLS: config, Log: g.log,
		Handler: func(ctx context.Context, p mllp.Peer, msg []byte) []byte { return g.takeHL7(ctx, in, p, msg) },
		Reject: func(head []byte, err error) []byte {
			fault := fhir.Issue{Code: fhir.Structure, Text: "the MLLP frame is broken: " + err.Error()}
			return hl7v2.BuildAck(head, hl7v2.AR, []fhir.Issue{fault}, time.Now(), rand.Text()[:20])
		},
	}
	if g.hl7In, err = server.Listen(ctx, g.log, "mllp", g.cfg.MLLP); err != nil {
		return err
	}
	g.MLLP = g.hl7In.Addr().String()
	return nil
}

func (g *Gateway) takeHL7(ctx context.Context, in *intake.Intake, p mllp.Peer, msg []byte) []byte {
	address, _, _ := net.SplitHostPort(p.RemoteAddr)
	caller := audit.Caller{Address: address, RequestID: rand.Text()}
	ctx = audit.NewContext(ctx, &caller)
	h, _ := hl7v2.ReadHeader(msg) // a broken message is answered by intake
	who, err := g.Auth.MLLPSender(ctx, auth.Sender{CertSHA256: p.CertSHA256, CN: p.CommonName, MSH3: h.SendingApplication, MSH4: h.SendingFacility})
	var a intake.HL7Answer
	var agreed intake.HL7Agreement
	if err == nil {
		agreed, err = g.agreement(ctx, who)
	}
	if err != nil {
		g.recorder.Count(caller, "intake-hl7v2")
		a = in.RejectHL7(msg, err)
	} else {
		ctx = auth.NewContext(ctx, who)
		a = in.HL7As(ctx, intake.Sender{Principal: who, ImpliedConsent: intake.DirectCare(who.Role)}, agreed, msg)
	}
	g.log.LogAttrs(ctx, slog.LevelInfo, "message", slog.String("name", "mllp"), slog.String("code", string(a.Code)),
		slog.String("client", who.ClientID), slog.Int("bytes", len(msg)))
	if a.Ack == nil { // not even MSH could be read
		a.Ack = hl7v2.BuildAck([]byte("MSH|^~\\&|||||||||P|2.5.1\r"), hl7v2.AR, []fhir.Issue{{Code: fhir.Structure, Text: "the frame holds no HL7 v2 message: no MSH segment could be read"}}, time.Now(), rand.Text()[:20])
	}
	if _, send := h.Answer(a.Code, agreed.AckPolicy); !send {
		return nil
	}
	return a.Ack
}

// agreement is what the client's registration says of its HL7 v2 messages.
func (g *Gateway) agreement(ctx context.Context, who auth.Principal) (intake.HL7Agreement, error) {
	c, err := g.Auth.Clients.Get(ctx, who.ClientID)
	if err != nil || c.MLLP == nil {
		return intake.HL7Agreement{}, err
	}
	return intake.HL7Agreement{
		Options:   hl7v2.Options{Charset: codec.Charset(c.MLLP.Charset)},
		AckPolicy: hl7v2.AckPolicy{Commit: c.MLLP.CommitAck, RRI: c.MLLP.Answer == "rri"},
		Envelope:  delivery.EnvelopeTo(*c.MLLP), Replies: c.MLLP.ReplyTo != "",
	}, nil
}

func (g *Gateway) mllpTLS() (*tls.Config, error) {
	if g.cfg.MLLPCert == "" {
		return nil, nil //nolint:nilnil // no TLS is not an error
	}
	cert, err := tls.LoadX509KeyPair(g.cfg.MLLPCert, g.cfg.MLLPKey)
	if err != nil {
		return nil, fmt.Errorf("mllp-cert: %w", err)
	}
	pem, err := os.ReadFile(g.cfg.MLLPClientCA)
	if err != nil {
		return nil, fmt.Errorf("mllp-client-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("mllp-client-ca: the file holds no certificate")
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}, nil
}

func (g *Gateway) serveMLLP(ctx context.Context) error {
	if g.hl7 == nil {
		<-ctx.Done()
		return nil
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.cfg.Drain)
		defer cancel()
		stopped <- g.hl7.Shutdown(limit)
	}()
	if err := g.hl7.Serve(g.hl7In); ctx.Err() == nil {
		return err
	}
	return <-stopped
}

func (g *Gateway) hl7Format() (*hl7v2.Format, error) {
	entry, _, err := g.formats.Lookup("hl7v2")
	format, ok := entry.Format.(*hl7v2.Format)
	if err != nil || !ok {
		return nil, errors.Join(errors.New("the format hl7v2 is not there"), err)
	}
	return format, nil
}

// deliver sends the answers that HL7 v2 senders are owed.
func (g *Gateway) deliver(ctx context.Context) error {
	rri := &delivery.RRI{Store: g.store, Format: g.hl7Format, Client: g.Auth.Clients.Get, Send: g.sendHL7}
	acks := &delivery.Acks{Client: g.Auth.Clients.Get, Send: g.sendHL7}
	var wg sync.WaitGroup
	var failed [2]error
	for i, w := range []*delivery.Worker{
		{Store: g.store, Topic: delivery.TopicRRI, Handler: rri.Deliver, Log: g.log, Clock: time.Now},
		{Store: g.store, Topic: delivery.TopicAck, Handler: acks.Deliver, Log: g.log, Clock: time.Now},
	} {
		wg.Go(func() { failed[i] = w.Run(ctx) })
	}
	wg.Wait()
	return errors.Join(failed[:]...)
}

// sendHL7 sends one message: in plain to a loopback address, else by TLS with
// the certificate of the MLLP port.
func (g *Gateway) sendHL7(ctx context.Context, to auth.MLLPBinding, msg []byte) ([]byte, error) {
	var config *tls.Config
	if !IsLoopback(to.ReplyTo) || to.TLSName != "" {
		server, err := g.mllpTLS()
		if err != nil || server == nil {
			return nil, errors.Join(errors.New("answers beyond this machine need --mllp-cert, --mllp-key and --mllp-client-ca"), err)
		}
		config = &tls.Config{Certificates: server.Certificates, RootCAs: server.ClientCAs, ServerName: to.TLSName, MinVersion: tls.VersionTLS12}
	}
	c, err := mllp.Dial(ctx, to.ReplyTo, config)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	return c.Send(ctx, msg)
}
