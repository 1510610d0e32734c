package directory

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/intake"
	"trellis.example/gateway/store"
)

// few is how many services may always become inactive at once.
const few = 10

// vanished makes the services inactive that the feed no longer has. A feed that
// suddenly has lost more than half of them is more likely to be broken: then
// nothing is done but a warning.
func (u *pull) vanished(ctx context.Context) error {
	gone, active, err := u.absent(ctx)
	if err != nil {
		return err
	}
	if len(gone) > few && 2*len(gone) > active && !u.feed.Vanish {
		u.warn(strconv.Itoa(len(gone)) + " of " + strconv.Itoa(active) + " services are gone from the feed: nothing was made inactive; if that is right, pull with --accept-vanished")
		return nil
	}
	for _, v := range gone {
		if err := u.retire(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

// absent returns the feed's active services that this pull has not seen, and how
// many active ones it has in all.
func (u *pull) absent(ctx context.Context) (gone []store.Version, active int, err error) {
	q := store.ScanQuery{View: auth.SystemView(), Types: []string{"HealthcareService"}, Limit: 500}
	for {
		page, err := u.Store.Scan(ctx, q)
		if err != nil {
			return nil, 0, err
		}
		for _, v := range page.Versions {
			if v.Deleted || v.Access.Owner != u.from.Owner() {
				continue
			}
			root, id, err := serviceID(v.Body)
			if err != nil {
				return nil, 0, err
			}
			if id == "" || root.Get("active").Text() != "true" {
				continue
			}
			active++
			if !u.seen[id] {
				gone = append(gone, v)
			}
		}
		if page.Next == "" {
			return gone, active, nil
		}
		q.After, q.Snapshot = page.Next, page.Snapshot
	}
}

// serviceID returns the id that a directory gave the service.
func serviceID(body []byte) (fhir.Value, string, error) {
	r, err := fhir.Decode(body)
	if err != nil {
		return fhir.Value{}, "", err
	}
	return r.Root(), sourceID(r.Root(), "service"), nil
}

// sourceID is the id that a directory gave a resource; "" when none did.
func sourceID(root fhir.Value, kind string) string {
	for id := range root.Get("identifier").Items() {
		if id.Get("system").Text() == idSystem+kind {
			return id.Get("value").Text()
		}
	}
	return ""
}

// retire makes one service inactive, once the feed has said by itself that there
// is no such service any more.
func (u *pull) retire(ctx context.Context, v store.Version) error {
	_, id, err := serviceID(v.Body)
	if err != nil {
		return err
	}
	_, err = u.fetch.get(ctx, "/services/"+url.PathEscape(id), "")
	status, answered := errors.AsType[*statusError](err)
	if !answered || status.code != http.StatusNotFound && status.code != http.StatusGone {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		u.warn("a service is not listed and not gone either: it stays as it is")
		return nil
	}
	doc, err := u.inactive(ctx, v)
	if err != nil {
		return err
	}
	got, err := u.take(ctx, u.from, u.format(), doc, false, u.shared)
	if err != nil {
		return err
	}
	if got.Status == intake.Rejected {
		u.refuse(id, got.Issues)
		return nil
	}
	u.count(&u.report.Inactive)
	return nil
}

// inactive writes the service as the feed had it, with its status changed.
func (u *pull) inactive(ctx context.Context, v store.Version) ([]byte, error) {
	bundle, err := gather(ctx, u.Store, auth.SystemView(), v.Body)
	if err != nil {
		return nil, err
	}
	f, ok := u.Formats(u.format())
	if !ok {
		return nil, fhir.Errorf(fhir.Exception, "there is no format %s", u.format())
	}
	w := f.Write(bundle)
	if err := fhir.Faults(w.Faults); err != nil {
		return nil, err
	}
	var doc map[string]json.RawMessage
	if err := json.Unmarshal([]byte(w.Document), &doc); err != nil {
		return nil, err
	}
	doc["status"] = json.RawMessage(`"inactive"`)
	return json.Marshal(doc)
}

// gather puts a HealthcareService and what it refers to into one Bundle, as far
// as the view shows it.
func gather(ctx context.Context, s store.Store, view auth.View, service []byte) ([]byte, error) {
	r, err := fhir.Decode(service)
	if err != nil {
		return nil, err
	}
	entries := []json.RawMessage{service}
	for _, k := range neighbours(r.Root()) {
		v, err := s.Read(ctx, view, k)
		if errors.Is(err, store.ErrNotFound) || err == nil && v.Deleted {
			continue
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, v.Body)
	}
	return bundleOf(entries), nil
}

// bundleOf puts resources into a collection.
func bundleOf(resources []json.RawMessage) []byte {
	b := []byte(`{"resourceType":"Bundle","type":"collection","entry":[`)
	for i, r := range resources {
		if i > 0 {
			b = append(b, ',')
		}
		b = slices.Concat(b, []byte(`{"resource":`), r, []byte(`}`))
	}
	return append(b, ']', '}')
}

// neighbours are the organisation and the places that a service names here.
func neighbours(service fhir.Value) []store.Key {
	var out []store.Key
	add := func(v fhir.Value, typ string) {
		ref, ok := fhir.ParseReference(v.Get("reference").Text())
		if k := (store.Key{Type: typ, ID: strings.Clone(ref.ID)}); ok && ref.Kind == fhir.RefRelative && ref.Type == typ && !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	add(service.Get("providedBy"), "Organization")
	for _, name := range []string{"location", "coverageArea"} {
		for l := range service.Get(name).Items() {
			if len(out) < maxNeighbours {
				add(l, "Location")
			}
		}
	}
	return out
}

// maxNeighbours bounds what one service may bring along.
const maxNeighbours = 500
