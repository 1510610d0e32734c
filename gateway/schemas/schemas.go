package schemas

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"trellis.example/fhir"
	"trellis.example/gateway/rest"
	"trellis.example/profiles/schema"
)

// Prefix is the path below which schemas are served.
const Prefix = "/schemas/"

// mediaType is that of JSON Schemas (JSON Schema core 2020-12, section 14).
const mediaType = "application/schema+json"

// A Handler serves the list of schemas and each of them.
type Handler struct {
	set  func() *schema.Set
	list func() (document, error)
}

type document struct {
	body []byte
	tag  string
	typ  string
}

// New returns a handler. url is the gateway's public address without a trailing
// slash; set is called at the first request.
func New(url string, set func() *schema.Set) *Handler {
	h := &Handler{set: sync.OnceValue(set)}
	h.list = sync.OnceValues(func() (document, error) { return listing(url, h.set()) })
	return h
}

// item is one line of the list.
type item struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Type    string `json:"type"`
	Profile string `json:"profile"`
	// URL is where this gateway serves the schema, ID what it calls itself.
	URL string `json:"url"`
	ID  string `json:"$id"`
}

func listing(url string, set *schema.Set) (document, error) {
	out := struct {
		Title   string `json:"title"`
		Schemas []item `json:"schemas"`
	}{Title: "JSON Schemas of Trellis", Schemas: []item{}}
	for _, e := range set.List() {
		out.Schemas = append(out.Schemas, item{e.Name, e.Title, e.Type, e.Canonical, url + Prefix + e.Name + ".json", schema.Address + e.Name + ".json"})
	}
	body, err := json.Marshal(out)
	sum := sha256.Sum256(body)
	return document{body, hex.EncodeToString(sum[:12]), "application/json"}, err
}

// ServeHTTP answers GET and HEAD.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d, err := h.find(strings.TrimPrefix(r.URL.Path, Prefix))
	if err != nil {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		rest.WriteError(w, r, err)
		return
	}
	d.serve(w, r)
}

func (h *Handler) find(path string) (document, error) {
	if path == "" {
		return h.list()
	}
	name, ok := strings.CutSuffix(path, ".json")
	if ok {
		if s, found := h.set().Schema(name); found {
			return document{s.JSON, s.Tag, mediaType}, nil
		}
	}
	return document{}, fhir.Errorf(fhir.NotFound, "there is no such schema; %s lists all", Prefix)
}

// serve writes a document that is the same for everybody, or says that the
// caller has it.
func (d document) serve(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Access-Control-Allow-Origin", "*")
	head.Set("Cache-Control", "public, max-age=300")
	head.Set("ETag", `"`+d.tag+`"`)
	if matches(r.Header.Values("If-None-Match"), d.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	head.Set("Content-Type", d.typ)
	head.Set("Content-Length", strconv.Itoa(len(d.body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(d.body) // the caller is gone
	}
}

// matches reports whether one of the entity tags is the document's, compared
// weakly (RFC 9110, section 13.1.2).
func matches(values []string, tag string) bool {
	for _, v := range values {
		for t := range strings.SplitSeq(v, ",") {
			t = strings.TrimPrefix(strings.TrimSpace(t), "W/")
			if t == "*" || t == `"`+tag+`"` {
				return true
			}
		}
	}
	return false
}
