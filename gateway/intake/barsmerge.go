package intake

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/store"
	"trellis.example/mapping/formats/bars"
)

// stampKind is the kind of docs that keep when each resource of a message was
// last changed, as its sender stamped it: ours takes the place of that stamp.
const stampKind = "bars-stamps"

// stampDoc keeps the stamps of a message.
func (in *Intake) stampDoc(s Submission, m bars.Message, o Outcome) (store.DocWrite, error) {
	stamps := map[string]string{}
	keys := map[string]store.Key{}
	for _, st := range o.Stored {
		keys[st.FullURL] = st.Key
	}
	for _, e := range m.Bundle.Entries() {
		if k, ok := keys[e.FullURL]; ok {
			stamps[k.String()] = e.Resource.At("meta", "lastUpdated").Text()
		}
	}
	body, err := json.Marshal(stamps)
	return store.DocWrite{Kind: stampKind, ID: in.id(stampKind, s.Sender.Owner(), m.ID), Body: body}, err
}

// stamps are those of the message that brought the referral.
func (in *Intake) stamps(ctx context.Context, s Submission, m bars.Message) (map[string]string, error) {
	doc, err := in.Store.Doc(ctx, stampKind, in.id(stampKind, s.Sender.Owner(), m.ID))
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out map[string]string
	return out, json.Unmarshal(doc.Body, &out)
}

// merge returns the versions of what an update brings besides the request: the
// resources of the first message, found by full URL or by our id, that carry a
// later stamp and other content. One that was changed here meanwhile is a
// conflict.
func (in *Intake) merge(ctx context.Context, s Submission, old *record, m bars.Message, keys map[string]store.Key) ([]store.Write, error) {
	stamps, err := in.stamps(ctx, s, m)
	if err != nil {
		return nil, err
	}
	var writes []store.Write
	for _, e := range s.Bundle.Entries() {
		k, ok := keys[e.FullURL]
		if !ok || e.Type() == "MessageHeader" || e.FullURL == m.RequestURL || !later(e.Resource.At("meta", "lastUpdated").Text(), stamps[k.String()]) {
			continue
		}
		res, err := rewrite(e.Resource, keys)
		if err != nil {
			return nil, err
		}
		hash := old.Parts[k.String()]
		if contentHash(res) == hash || dangles(res) {
			continue
		}
		if err := bars.Refusal(labels(s, e.Resource)); err != nil {
			return nil, err
		}
		w, err := in.merged(ctx, k, hash, res)
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	return writes, nil
}

// merged is the next version of a resource that nobody here has changed.
func (in *Intake) merged(ctx context.Context, k store.Key, hash string, res fhir.Resource) (store.Write, error) {
	ver, err := in.Store.Read(ctx, auth.SystemView(), k)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Write{}, err
	}
	changed := err != nil || ver.Deleted
	if !changed {
		current, err := fhir.Decode(ver.Body)
		if err != nil {
			return store.Write{}, err
		}
		changed = contentHash(current) != hash
	}
	if changed {
		return store.Write{}, fhir.Errorf(fhir.Conflict, "the %s was changed here after it was received; read it, and send the update with what stands here", k.Type)
	}
	return in.rewriteVersion(ver, res.JSON(), in.now())
}

// later reports whether one instant lies behind another. An unknown one is
// never later, nor is anything later than it.
func later(a, b string) bool {
	x, err := time.Parse(time.RFC3339Nano, a)
	if err != nil {
		return false
	}
	y, err := time.Parse(time.RFC3339Nano, b)
	return err == nil && x.After(y)
}

// dangles reports a resource that refers to what is not kept: what stands here
// is better than that.
func dangles(res fhir.Resource) bool {
	found := false
	fhir.EachReference(res.Root(), func(ref fhir.Value) { found = found || strings.HasPrefix(ref.Text(), "urn:") })
	return found
}
