// Package gateway puts the house together: it opens the store, makes the
// authorisation server, the validator, the maps and the handlers, and listens.
//
// Nothing below it reads a file, flag or environment variable: all they need
// is in [Config], which package main reads once.
package gateway

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/directory"
)

// Config is the gateway's whole configuration. Every field is a flag of
// `trellis serve`, a variable (TRELLIS_ and the name in capitals with
// underscores) and a key of the configuration file; a flag wins over a
// variable, a variable over the file.
type Config struct {
	// Data is the folder of the embedded store and of this gateway's private
	// keys. It is created, readable by its owner only. Required.
	Data string `koanf:"data" usage:"folder of the embedded store and of the gateway's keys"`
	// Mongo is the URI of a MongoDB replica set or sharded cluster; empty
	// means the embedded store in Data.
	Mongo auth.Secret `koanf:"mongo" usage:"MongoDB URI (replica set or sharded cluster) instead of the embedded store"`
	// Listen is the address of the public HTTP port. Port 0 picks a free one.
	Listen string `koanf:"listen" usage:"address of the public HTTP port"`
	// Admin is the address of the port with /metrics and health.
	Admin string `koanf:"admin" usage:"address of the admin port (/metrics)"`
	// MLLP is the address for HL7 v2 over MLLP; "off" for none. Without TLS
	// it must be a loopback address.
	MLLP string `koanf:"mllp" usage:"address for HL7 v2 over MLLP, or off"`
	// PublicURL is what Location, fullUrl and token audiences say, without a
	// trailing slash. Default "http://" and the listen address; required when
	// that is every address of the machine.
	PublicURL string `koanf:"public-url" usage:"URL by which partners reach the gateway (default http:// and the listen address)"`
	// TLSCert and TLSKey are PEM files; with them the public port speaks
	// HTTPS only.
	TLSCert string `koanf:"tls-cert" usage:"PEM certificate for HTTPS on the public port"`
	TLSKey  string `koanf:"tls-key" usage:"PEM key for --tls-cert"`
	// MLLPCert, MLLPKey and MLLPClientCA turn on TLS with client certificates
	// on the MLLP port.
	MLLPCert     string `koanf:"mllp-cert" usage:"PEM certificate for TLS on the MLLP port"`
	MLLPKey      string `koanf:"mllp-key" usage:"PEM key for --mllp-cert"`
	MLLPClientCA string `koanf:"mllp-client-ca" usage:"PEM certificates that MLLP clients' certificates must chain to"`
	// Service is the ODS code of the social prescribing service that takes
	// referrals whose document names none.
	Service string `koanf:"service" usage:"ODS code of the service that takes referrals which name none"`
	// Formats is a folder with partner formats of your own, one folder each.
	Formats string `koanf:"formats" usage:"folder with partner formats of your own, one folder each with its map.yaml"`
	// TerminologyURL is the FHIR base of a terminology server that is asked about
	// codes which the gateway does not hold; empty: nobody is asked.
	// TerminologyTokenFile holds the bearer token to send to it.
	TerminologyURL       string `koanf:"terminology-url" usage:"FHIR base URL of a terminology server to ask about codes that are not held here"`
	TerminologyTokenFile string `koanf:"terminology-token-file" usage:"file with the bearer token for --terminology-url"`
	// DirectoryFeeds are Open Referral UK directories to pull from: the stub of
	// their endpoints, with "v1:" before it for version 1 of the standard.
	// DirectoryInterval is how often; DirectoryPrivate allows feeds at internal
	// addresses and over http.
	DirectoryFeeds    []string      `koanf:"directory-feed" usage:"Open Referral UK directory to pull from: https://host/path, or v1:https://host/path"`
	DirectoryInterval time.Duration `koanf:"directory-interval" usage:"how often directories are pulled"`
	DirectoryPrivate  bool          `koanf:"directory-private" usage:"allow directories at internal addresses and over http"`
	// CORS lists origins whose pages may call the API; "*" is any.
	CORS []string `koanf:"cors" usage:"origins whose pages may call the API"`
	// Proxies are addresses or networks of load balancers whose
	// X-Forwarded-For is believed.
	Proxies []string `koanf:"proxies" usage:"addresses or networks of load balancers whose X-Forwarded-For is believed"`
	// Rate and Burst limit each client's requests per second. Requests
	// without a valid token are limited by network address, more tightly.
	Rate  float64 `koanf:"rate" usage:"requests per second for each client"`
	Burst int     `koanf:"burst" usage:"requests a client may make at once"`
	// MaxFile is the largest batch file, in bytes; it lies in Data while it is
	// taken in.
	MaxFile int `koanf:"max-file" usage:"largest batch file in bytes"`
	// Drain is how long a stop waits for requests in hand.
	Drain time.Duration `koanf:"drain" usage:"how long a stop waits for requests in hand"`
	// LogLevel is debug, info, warn or error.
	LogLevel string `koanf:"log-level" usage:"debug, info, warn or error"`
	// Sandbox adds the role sandbox, for test kits; refused unless every
	// listener is on a loopback address.
	Sandbox bool `koanf:"sandbox" usage:"allow clients of the role sandbox (loopback only)"`
	// Version is what the CapabilityStatement calls the software; no setting.
	Version string `koanf:"-"`
}

// Defaults returns the configuration that an empty one means.
func Defaults() Config {
	return Config{
		Data: "data", Listen: "127.0.0.1:8080", Admin: "127.0.0.1:9090", MLLP: "127.0.0.1:2575",
		Rate: 20_000, Burst: 20_000, MaxFile: 1 << 30, Drain: 20 * time.Second, LogLevel: "info", DirectoryInterval: 6 * time.Hour,
	}
}

// Off turns a listener off.
const Off = "off"

// Validate reports every problem of the configuration at once.
func (c Config) Validate() error {
	errs := append(c.checkListeners(), c.checkNames()...)
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if (c.MLLPCert == "") != (c.MLLPKey == "") || (c.MLLPCert == "") != (c.MLLPClientCA == "") {
		bad("mllp-cert, mllp-key and mllp-client-ca go together")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("tls-cert and tls-key go together")
	}
	if c.Rate <= 0 || c.Burst <= 0 {
		bad("rate and burst must be above 0")
	}
	if _, err := c.proxies(); err != nil {
		bad("%w", err)
	}
	if _, err := c.feeds(); err != nil {
		bad("directory-feed: %w", err)
	}
	if c.DirectoryInterval < time.Minute {
		bad("directory-interval must be a minute or more")
	}
	if c.MaxFile <= 0 {
		bad("max-file must be above 0")
	}
	if c.Drain <= 0 {
		bad("drain must be above 0")
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.LogLevel) {
		bad("log-level: want debug, info, warn or error")
	}
	return errors.Join(errs...)
}

// checkListeners reports addresses that cannot be, or must not be as they are.
func (c Config) checkListeners() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for name, addr := range c.listeners() {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			bad("%s: want host:port, such as 127.0.0.1:8080", name)
		} else if c.Sandbox && !IsLoopback(addr) {
			bad("sandbox: %s is not a loopback address; the sandbox has no access rules and must not be reachable from elsewhere", name)
		}
	}
	if c.MLLP != Off && c.MLLPCert == "" && !IsLoopback(c.MLLP) {
		bad("mllp: plain MLLP is for loopback addresses only; give --mllp-cert, --mllp-key and --mllp-client-ca")
	}
	return errs
}

// odsCode is an organisation's code as the NHS Organisation Data Service gives
// them.
var odsCode = regexp.MustCompile(`^[A-Z0-9]{3,12}$`)

// checkNames reports names under which the gateway or its service could not be
// found.
func (c Config) checkNames() (errs []error) {
	bad := func(text string) { errs = append(errs, errors.New(text)) }
	if c.Data == "" {
		bad("data: a folder is required")
	}
	if c.PublicURL != "" && !isBaseURL(c.PublicURL) {
		bad("public-url: want http(s)://host[:port][/path] without a trailing slash")
	}
	if c.PublicURL == "" && isUnspecified(c.Listen) {
		bad("public-url: required when listen is every address of the machine; it is the audience of tokens and the base of every Location")
	}
	if c.TerminologyURL != "" && !isTerminologyURL(c.TerminologyURL) {
		bad(wantTerminologyURL)
	}
	if c.TerminologyTokenFile != "" && c.TerminologyURL == "" {
		bad("terminology-token-file: goes with terminology-url")
	}
	if c.Service != "" && !odsCode.MatchString(c.Service) {
		bad("service: want an ODS code: 3 to 12 capital letters and digits")
	}
	return errs
}

// proxies reads the networks of Proxies; an address is a network of one.
func (c Config) proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range c.Proxies {
		if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, errors.New("proxies: want addresses such as 10.0.0.5 or networks such as 10.0.0.0/8")
		}
		out = append(out, p)
	}
	return out, nil
}

// feeds reads the directories to pull from.
func (c Config) feeds() ([]directory.Feed, error) {
	var out []directory.Feed
	for _, s := range c.DirectoryFeeds {
		f, err := directory.ParseFeed(s)
		if err != nil {
			return nil, err
		}
		f.Private = c.DirectoryPrivate
		out = append(out, f)
	}
	return out, nil
}

func (c Config) listeners() map[string]string {
	m := map[string]string{"listen": c.Listen, "admin": c.Admin}
	if c.MLLP != Off {
		m["mllp"] = c.MLLP
	}
	return m
}

// IsLoopback reports whether an address to listen on is reachable from this
// machine alone.
func IsLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// isUnspecified reports that an address to listen on is no address to connect
// to: 0.0.0.0, [::] or a port alone.
func isUnspecified(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "" || ip != nil && ip.IsUnspecified())
}

func isBaseURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" &&
		u.RawQuery == "" && u.Fragment == "" && !strings.HasSuffix(s, "/")
}

const wantTerminologyURL = "terminology-url: want https://host[:port][/path] without a trailing slash; http for loopback only"

// isTerminologyURL: what is asked goes over TLS, unless it stays on the machine.
func isTerminologyURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isBaseURL(s) && u.User == nil && (u.Scheme == "https" || IsLoopback(net.JoinHostPort(u.Hostname(), "0")))
}
