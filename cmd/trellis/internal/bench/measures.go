package bench

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// A measure is one line of the report.
type measure struct {
	id, what, unit string
	targets        []Target
	// load says that the gateway under load must be there.
	load bool
	// alone says that a part is measured in this process.
	alone bool
	run   runner
}

// Bounds of design targets, by what they bound.
func atLeast(v float64) Target         { return Target{Of: "value", AtLeast: v} }
func atMost(v float64) Target          { return Target{Of: "value", AtMost: v} }
func most(of string, v float64) Target { return Target{Of: of, AtMost: v} }
func targets(all ...Target) []Target   { return all }
func createTarget() []Target           { return targets(atLeast(4000), most("cpu", 0.4), most("p99", 15)) }
func readTarget() []Target             { return targets(atLeast(15000), most("cpu", 0.1)) }
func searchTarget() []Target           { return targets(most("cpu", 0.3)) }
func mapTarget() []Target              { return targets(atMost(150)) }

type runner = func(context.Context, *session, *Row) error

func httpMeasure(id, what string, t []Target, run runner) measure {
	return measure{id: id, what: what, unit: "/s", targets: t, load: true, run: run}
}

func part(id, what string, t []Target, run runner) measure {
	return measure{id: id, what: what, unit: "µs", targets: t, alone: true, run: run}
}

// measures are all there are, in the order in which they run: memory at rest
// before the load, at its peak after it.
func measures() []measure {
	return []measure{
		{id: "start", what: "start to ready, empty store", unit: "ms", targets: targets(atMost(300)), run: measureStart},
		{id: "first-read", what: "start to first authenticated read", unit: "ms", targets: targets(atMost(300)), run: measureFirstRead},
		{id: "memory-idle", what: "memory, idle", unit: "MB", targets: targets(atMost(60)), run: measureIdle},
		httpMeasure("create", "create a 3.4 KB ServiceRequest", createTarget(), measureCreate("plain.json")),
		httpMeasure("refer", "create an active referral (+ Task, Provenance)", createTarget(), measureCreate("referral.json")),
		httpMeasure("read", "read by id", readTarget(), measureRead(0)),
		httpMeasure("read-64", "read by id, 64 clients", readTarget(), measureRead(64)),
		httpMeasure("search-identifier", "search by identifier", searchTarget(), measureSearch(searchIdentifier)),
		httpMeasure("search-subject", "search by subject, 10 a page", searchTarget(), measureSearch(searchSubject)),
		httpMeasure("search-status", "search by status, 10 a page", searchTarget(), measureSearch(searchStatus)),
		httpMeasure("hl7v2", "HL7 v2 REF^I12 over HTTP", nil, measureHL7),
		httpMeasure("ppn-csv", "police CSV, rows of 100-row files", nil, measureCSV),
		httpMeasure("bars", "BaRS $process-message", nil, measureBaRS),
		httpMeasure("token", "token by client secret, 100 of them", nil, measureToken),
		{id: "memory-load", what: "memory, peak under load", unit: "MB", targets: targets(atMost(300)), load: true, run: measurePeak},
		part("validate", "decode and validate a 3.4 KB ServiceRequest", targets(atMost(80), most("allocations", 500)), measureValidate),
		part("map-hl7v2", "HL7 v2 to validated bundle", mapTarget(), measureMap("hl7v2", "referral.hl7")),
		part("map-ppn-csv", "police CSV row to validated bundle", mapTarget(), measureMap("ppn-csv", "notice.csv")),
		part("map-fhir", "FHIR JSON bundle to validated bundle", mapTarget(), measureMap("fhir", "transaction.json")),
		part("map-bars", "BaRS message to validated bundle", nil, measureMap("bars", "bars.json")),
	}
}

// IDs names all measures.
func IDs() []string {
	var ids []string
	for _, m := range measures() {
		ids = append(ids, m.id)
	}
	return ids
}

func chosen(only []string) []measure {
	return slices.DeleteFunc(measures(), func(m measure) bool {
		return len(only) > 0 && !slices.Contains(only, m.id)
	})
}

// warm is how much of the time of a measure is spent before it, uncounted.
const warm = 10

// load runs one load and fills in the row.
func (s *session) load(ctx context.Context, row *Row, l load) error {
	l.addr, l.next = s.gateway.http, &s.next
	if l.clients == 0 {
		l.clients = s.cfg.Clients
	}
	limit := cmp.Or(l.limit, maxRequests)
	if _, err := l.run(ctx, s.cfg.Duration/warm, limit/warm, s.gateway); err != nil {
		return err
	}
	stopProfile := s.profile(ctx, row.ID)
	t, err := l.run(ctx, s.cfg.Duration, limit, s.gateway)
	stopProfile()
	if err != nil {
		return err
	}
	row.Value, row.Done, row.Failed, row.Failure = t.perSecond(), t.done, t.failed, t.failure
	row.OwnCPU = perOp(t.own, t.done)
	if t.serverKnown {
		row.CPU = perOp(t.server, t.done)
	}
	row.P50, row.P99 = inMS(t.times.quantile(0.5)), inMS(t.times.quantile(0.99))
	return nil
}

// maxRequests bounds one measure.
const maxRequests = 300_000

func inMS(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
