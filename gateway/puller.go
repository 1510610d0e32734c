package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"trellis.example/fhir/definitions"
	"trellis.example/gateway/directory"
	"trellis.example/gateway/intake"
	"trellis.example/gateway/published"
	"trellis.example/gateway/store"
	"trellis.example/profiles"
)

// Puller returns what takes directories into a store that no gateway of this
// process serves: services are judged, indexed and named as that gateway would.
func Puller(ctx context.Context, c Config, s store.Store, log *slog.Logger) (*directory.Puller, error) {
	v, err := profiles.New()
	if err != nil {
		return nil, fmt.Errorf("compile the profiles: %w", err)
	}
	registry := c.Registry()
	if _, err := Indexed(ctx, s, registry); err != nil {
		return nil, err
	}
	key, err := sharedKey(ctx, s, idKey)
	if err != nil {
		return nil, fmt.Errorf("read the key of record ids: %w", err)
	}
	set, err := openFormats(c.Formats)
	if err != nil {
		return nil, err
	}
	known := (&Gateway{formats: set}).format
	s = published.New(definitions.R4(), registry, v, c.publicURL()+"/fhir").Over(s)
	in, err := intake.New(intake.Deps{Store: s, Validator: v, Index: registry.Index, Formats: known, Clock: time.Now, IDKey: key, Log: log})
	if err != nil {
		return nil, err
	}
	return &directory.Puller{Taker: &directory.Taker{In: in, Formats: known}, Store: s, Clock: time.Now, Log: log}, nil
}
