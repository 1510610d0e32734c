package gateway_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trellis.example/auth"
	"trellis.example/gateway"
	"trellis.example/mapping/formats"
)

// TestEveryFormat sends every worked example of every format through the public
// port, as the first of the roles that may: a dry run and the real thing agree,
// a repeat changes nothing, other roles and other media types are refused, and
// nothing personal is in the log.
func TestEveryFormat(t *testing.T) {
	s := newSystem(t, noChange)
	s.partners()
	all, err := formats.All()
	if err != nil {
		t.Fatal(err)
	}
	s.partner("reader", "auditor", "", nil)
	for _, e := range all {
		info := e.Info()
		if !info.In || !e.HasCases() || info.ID == "bars" {
			t.Logf("%s brings its own tests: of headers, of FHIR", info.ID)
			continue
		}
		role := info.Senders[0]
		if info.ID == "fhir" { // its examples hold types of several roles
			role = "importer"
		}
		t.Run(info.ID, func(t *testing.T) {
			s.t = t
			s.partner("sender-"+info.ID, auth.Role(role), "ZF"+strings.ToUpper(strings.ReplaceAll(info.ID, "-", ""))[:4], nil)
			cases, _ := fs.Glob(e.Files, "testdata/*/in.*")
			for _, name := range cases {
				s.sendCase(e, name)
			}
		})
	}
	s.t = t
	s.logsAreClean()
}

func (s *system) sendCase(e formats.Entry, name string) {
	s.t.Helper()
	info := e.Info()
	doc, err := fs.ReadFile(e.Files, name)
	if err != nil {
		s.t.Fatal(err)
	}
	who, path, media := "sender-"+info.ID, "/intake/"+info.ID, info.MediaTypes[0]
	dry := s.want(s.post(who, path+"?dryRun=true", media, doc), 200)
	accepted := strings.Contains(string(dry.body), `"accepted":true,"key"`) || bytes.Contains(dry.body, []byte(`{"accepted":true`))
	first := s.post(who, path, media, doc)
	if first.StatusCode >= 500 {
		s.t.Errorf("%s: %s\n%s", name, first.Status, first.body)
	}
	unknown := bytes.Contains(dry.body, []byte("?identifier=")) || bytes.Contains(first.body, []byte("204^Unknown key")) // speaks of a referral that is not here
	if accepted && first.StatusCode >= 300 && !unknown {
		s.t.Errorf("%s: a dry run accepts it, and then: %s\n%s", name, first.Status, first.body)
	}
	if again := s.post(who, path, media, doc); again.StatusCode/100 != first.StatusCode/100 {
		s.t.Errorf("%s: a repeat: %s after %s\n%s", name, again.Status, first.Status, again.body)
	}
	s.want(s.post("reader", path, media, doc), 403)
	s.want(s.post("", path, media, doc), 401)
	s.want(s.post(who, path, "image/png", doc), 415)
}

// TestOwnFormats holds that a folder of formats, and no code, is taken over
// HTTP, and that a broken one stops the start with its place.
func TestOwnFormats(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("northshire-csv/map.yaml", "id: northshire-csv\nversion: 1.0.0\npartner: Northshire Police\nbase: ppn-csv\npaths: {ppn_reference: Notice No, subject_surname: Surname}\n")
	s := newSystem(t, func(c *gateway.Config) { c.Formats = dir })
	s.partners()
	file := edit(t, edit(t, notices(t, "1"), "ppn_reference", "Notice No"), "subject_surname", "Surname")
	if got := statuses(t, s.want(s.post("police", "/intake/northshire-csv", "text/csv", file), 200)); got != "created" {
		t.Errorf("a format of the user's own: %s", got)
	}
	s.want(s.post("surgery", "/intake/northshire-csv", "text/csv", file), 403)
	if n := len(s.referrals("worker")); n != 1 {
		t.Errorf("the service sees %d referrals", n)
	}
	write("northshire-csv/map.yaml", "id: northshire-csv\nversion: one\nbase: ppn-csv\n")
	c := s.cfg
	c.Data = t.TempDir()
	if _, err := gateway.Open(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), "/version") {
		t.Errorf("a broken format: %v", err)
	}
}
