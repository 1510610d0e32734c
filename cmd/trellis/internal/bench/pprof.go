package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// profile records where the gateway spends its processor time while a measure
// runs, if the gateway offers that on its admin port. The function returned
// waits for it.
func (s *session) profile(ctx context.Context, id string) func() {
	if s.cfg.Profile == "" {
		return func() {}
	}
	done := make(chan string, 1)
	go func() { done <- s.fetchProfile(ctx, id) }()
	return func() { s.notes = append(s.notes, <-done) }
}

func (s *session) fetchProfile(ctx context.Context, id string) string {
	seconds := max(1, int(s.cfg.Duration.Seconds()))
	c := conn{addr: s.gateway.admin, timeout: time.Duration(seconds)*time.Second + callTimeout}
	defer c.close()
	a, err := c.call(ctx, call{method: "GET", path: fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds), host: s.gateway.admin}.request())
	if err == nil && a.status == 200 {
		file := profileName(s.cfg.Profile, id)
		if err = os.WriteFile(file, a.body, 0o600); err == nil {
			return fmt.Sprintf("Profile of %q: go tool pprof -top %s (profiling costs some speed).", id, file)
		}
	}
	if err == nil {
		err = fmt.Errorf("the admin port answered %d", a.status)
	}
	return fmt.Sprintf("No profile of %q: %v.", id, err)
}

// profileName puts the id before the extension.
func profileName(file, id string) string {
	ext := filepath.Ext(file)
	return strings.TrimSuffix(file, ext) + "." + id + ext
}
