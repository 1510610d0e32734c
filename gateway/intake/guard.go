package intake

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"trellis.example/fhir"
)

// personRate is how many documents a minute one client of the role person may
// send: a portal where people refer themselves, which anyone can reach.
const personRate = 30

// maxGuarded bounds how many clients are remembered.
const maxGuarded = 1000

// A guard bounds what people, and programs that play people, send. The zero
// guard is ready.
type guard struct {
	mu      sync.Mutex
	clients map[string]*rate.Limiter
}

// allow takes one document out of the sender's minute. Other roles are partners
// with an agreement, whom the server's own limits bound.
func (g *guard) allow(s Sender, now time.Time) error {
	if s.Role != "person" {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.clients[s.ClientID]
	if l == nil {
		if g.clients == nil || len(g.clients) >= maxGuarded {
			g.clients = map[string]*rate.Limiter{}
		}
		l = rate.NewLimiter(rate.Every(time.Minute/personRate), personRate)
		g.clients[s.ClientID] = l
	}
	if !l.AllowN(now, 1) {
		return fhir.Errorf(fhir.Throttled, "this portal has sent more forms than it may in a minute; wait as long as Retry-After says")
	}
	return nil
}
