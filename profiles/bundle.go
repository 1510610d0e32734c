package profiles

import "trellis.example/fhir"

// addresses are the fullUrls of a Bundle.
type addresses struct {
	resources map[string]fhir.Value // by fullUrl
	typ       string                // of the Bundle
	// plain says that the entries need no closer look to be told apart: each
	// fullUrl is a string and there once, and no resource has a version.
	plain bool
}

// keptAddresses is the largest index that a walk keeps for the next document.
const keptAddresses = 256

// addressesOf indexes the entries of the innermost Bundle once.
func (w *walk) addressesOf() *addresses {
	if w.fullURLs != nil {
		return w.fullURLs
	}
	a := w.spare
	if w.spare = nil; a == nil {
		a = &addresses{resources: map[string]fhir.Value{}}
	}
	a.plain, a.typ = true, w.bundle.Get("type").Text()
	for e := w.bundle.Get("entry").First(); e.Exists(); e = e.Next() {
		a.add(e)
	}
	w.fullURLs = a
	return a
}

func (a *addresses) add(entry fhir.Value) {
	full, r := entry.Get("fullUrl"), entry.Get("resource")
	meta := r.Get("meta")
	if entry.Kind() != fhir.Object || r.Exists() && r.Kind() != fhir.Object || meta.Exists() && meta.Kind() != fhir.Object || meta.Get("versionId").Exists() {
		a.plain = false
	}
	u := full.Text()
	if u == "" || full.Kind() != fhir.String {
		a.plain = a.plain && !full.Exists() && !entry.Get("_fullUrl").Exists()
	}
	if u == "" {
		return
	}
	before := len(a.resources)
	if a.resources[u] = r; len(a.resources) == before {
		a.plain = false
	}
}

// dropAddresses ends the work on a Bundle and keeps the index's memory for the
// next.
func (w *walk) dropAddresses() {
	if a := w.fullURLs; a != nil && len(a.resources) <= keptAddresses {
		clear(a.resources)
		w.spare = a
	}
	w.fullURLs = nil
}

// entryAt returns the resource of the innermost Bundle's entry with that
// fullUrl, or nothing.
func (w *walk) entryAt(url string) fhir.Value {
	if !w.bundle.Exists() || url == "" {
		return fhir.Value{}
	}
	return w.addressesOf().resources[url]
}

// An address is the fullUrl of the entry that a resource stands in, looked up
// once: an entry of a hostile document may have many members.
type address struct {
	of  fhir.Value
	url string
}

// ownURL returns the fullUrl of the entry around the innermost resource that is
// not contained, or "".
func (w *walk) ownURL() string {
	if w.address.of != w.root {
		w.address = address{w.root, w.root.Parent().Get("fullUrl").Text()}
	}
	return w.address.url
}

// Find is [entryAt] for the expressions of invariants.
func (w *walk) Find(bundle fhir.Value, fullURL string) (resource fhir.Value, indexed bool) {
	if bundle != w.bundle {
		return fhir.Value{}, false
	}
	return w.entryAt(fullURL), true
}

// typeInBundle returns the type of the entry with that fullUrl, or "".
func (w *walk) typeInBundle(url string) string {
	return w.entryAt(url).Get("resourceType").Text()
}

// sure are invariants of Bundle, by key and expression, that are evaluated for
// every entry of every Bundle: each reports whether it surely holds. Where it
// does not, the expression decides.
var sure = map[[2]string]func(w *walk, v fhir.Value) bool{
	{"bdl-3", "entry.all(request.exists() = (%resource.type = 'batch' or %resource.type = 'transaction' or %resource.type = 'history'))"}: func(_ *walk, v fhir.Value) bool {
		return entriesHave(v, "request", "batch", "transaction", "history")
	},
	{"bdl-4", "entry.all(response.exists() = (%resource.type = 'batch-response' or %resource.type = 'transaction-response' or %resource.type = 'history'))"}: func(_ *walk, v fhir.Value) bool {
		return entriesHave(v, "response", "batch-response", "transaction-response", "history")
	},
	{"bdl-7", "(type = 'history') or entry.where(fullUrl.exists()).select(fullUrl&resource.meta.versionId).isDistinct()"}: func(w *walk, v fhir.Value) bool {
		return v == w.bundle && v.Get("entry").Kind() == fhir.Array && w.addressesOf().plain
	},
}

// entriesHave reports that every entry has the member exactly when the Bundle
// is of one of the types.
func entriesHave(v fhir.Value, name string, types ...string) bool {
	typ, entries := v.Get("type"), v.Get("entry")
	if typ.Kind() != fhir.String || entries.Exists() && entries.Kind() != fhir.Array {
		return false
	}
	want := false
	for _, t := range types {
		want = want || typ.Text() == t
	}
	for e := entries.First(); e.Exists(); e = e.Next() {
		m := e.Get(name)
		if e.Kind() != fhir.Object || m.Exists() != want || want && m.Kind() != fhir.Object {
			return false
		}
	}
	return true
}
