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
	// size is that of the store which is filled by import for the measure; 0 is
	// the one that requests fill.
	size int
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
func chainTarget() []Target            { return targets(most("cpu", 2)) }

// A rate on two processors bounds the processor time as well: that figure does
// not suffer from what else the machine does.
func importTarget() []Target { return targets(atLeast(15_000), most("cpu", 2e3/15_000)) }
func exportTarget() []Target { return targets(atLeast(30_000), most("cpu", 2e3/30_000)) }

type runner = func(context.Context, *session, *Row) error

func httpMeasure(id, what string, t []Target, run runner) measure {
	return measure{id: id, what: what, unit: "/s", targets: t, load: true, run: run}
}

func part(id, what string, t []Target, run runner) measure {
	return measure{id: id, what: what, unit: "µs", targets: t, alone: true, run: run}
}

// measures are all there are, in the order in which they run.
func measures() []measure {
	return slices.Concat(loadMeasures(), searchMeasures(small), searchMeasures(medium), recordMeasures(medium),
		searchMeasures(large), []measure{importMeasure(large)}, growthMeasures(small, medium), growthMeasures(small, large), parts())
}

// loadMeasures are those of a gateway that requests fill: memory at rest before
// the load, at its peak after it.
func loadMeasures() []measure {
	return []measure{
		{id: "start", what: "start to ready, empty store", unit: "ms", targets: targets(atMost(300)), run: measureStart},
		{id: "first-read", what: "start to first authenticated read", unit: "ms", targets: targets(atMost(300)), run: measureFirstRead},
		{id: "memory-idle", what: "memory, idle", unit: "MB", targets: targets(atMost(60)), run: measureIdle},
		httpMeasure("create", "create a 3.4 KB ServiceRequest", createTarget(), measureCreate("plain.json")),
		httpMeasure("refer", "create an active referral (+ Task, Provenance)", createTarget(), measureCreate("referral.json")),
		httpMeasure("read", "read by id", readTarget(), measureRead(0)),
		httpMeasure("read-64", "read by id, 64 clients", readTarget(), measureRead(64)),
		httpMeasure("create-xml", "create a ServiceRequest in XML", nil, measureXML),
		httpMeasure("create-conditional", "create a ServiceRequest with If-None-Exist", nil, measureConditional),
		httpMeasure("transaction", "transaction of 100 entries", targets(most("cpu", 25)), measureTransaction),
		httpMeasure("hl7v2", "HL7 v2 REF^I12 over HTTP", nil, measureHL7),
		httpMeasure("ppn-csv", "police CSV, rows of 100-row files", nil, measureCSV),
		httpMeasure("ppn-file", "police CSV, rows of a 2,000-row file", fileTarget(), measureFile("/intake/ppn-csv", "notice.csv", func(s *session) client { return s.police })),
		httpMeasure("cld-file", "social care requests, rows of a 2,000-row file", fileTarget(), measureFile("/intake/cld-csv", "request.csv", func(s *session) client { return s.council })),
		httpMeasure("bars", "BaRS $process-message", nil, measureBaRS),
		httpMeasure("token", "token by client secret, 100 of them", nil, measureToken),
		{id: "memory-load", what: "memory, peak under load", unit: "MB", targets: targets(atMost(300)), load: true, run: measurePeak},
	}
}

// heldMeasure is one of a gateway whose store is filled by import.
func heldMeasure(id, what string, size int, t []Target, run runner) measure {
	m := httpMeasure(id, what, t, run)
	m.size = size
	return m
}

// searches are what is compared at all sizes.
func searches() [][2]string {
	return [][2]string{{"search-identifier", "search by identifier"}, {"search-subject", "search by subject"}, {"search-status", "search by status, 10 a page"}}
}

func searchMeasures(size int) []measure {
	paths := []string{findIdentifier(), findSubject(), findStatus()}
	var out []measure
	for i, s := range searches() {
		out = append(out, heldMeasure(s[0]+"-"+sizeName(size), s[1]+", among "+grouped(float64(size)), size, searchTarget(), measureFind(paths[i])))
	}
	return out
}

// recordMeasures are the others of a filled store.
func recordMeasures(size int) []measure {
	all := []measure{
		heldMeasure("chain-identifier", "requests by patient.identifier", size, chainTarget(), measureFind(findByPatient())),
		heldMeasure("chain-nhs", "requests by NHS number of the patient, POST", size, chainTarget(), measurePost("ServiceRequest", byNHSNumber())),
		heldMeasure("chain-family", "tasks by patient.family", size, chainTarget(), measureFind(findByFamily())),
		heldMeasure("read-xml", "read by id in XML", size, nil, measureAsk("/fhir/ServiceRequest/"+requestMark, fhirXML, ok)),
		heldMeasure("everything", "$everything of a referral", size, nil, measureAsk("/fhir/ServiceRequest/"+requestMark+"/$everything", fhirJSON, listed)),
		heldMeasure("history", "history of a request", size, nil, measureAsk("/fhir/ServiceRequest/"+requestMark+"/_history", fhirJSON, listed)),
		heldMeasure("history-type", "history of all requests, 10 a page", size, nil, measureAsk("/fhir/ServiceRequest/_history?_count=10", fhirJSON, listed)),
		heldMeasure("export", "$export, resources of 1-3 KB", size, exportTarget(), measureExport),
	}
	for i := range all {
		all[i].what += ", among " + grouped(float64(size))
	}
	return append(all, importMeasure(size))
}

func importMeasure(size int) measure {
	return heldMeasure("import-"+sizeName(size), "import of "+grouped(float64(size))+" resources of 1-3 KB", size, importTarget(), measureImport(size))
}

func growthMeasures(from, to int) []measure {
	var out []measure
	for _, s := range searches() {
		out = append(out, measure{id: s[0] + "-growth-" + sizeName(to), what: s[1] + ", CPU/op " + sizeName(to) + " ÷ " + sizeName(from),
			unit: "×", targets: targets(atMost(2)), size: to, run: measureGrowth(s[0], from, to)})
	}
	return out
}

// parts are measured alone, in this process.
func parts() []measure {
	return []measure{
		part("validate", "decode and validate a 3.4 KB ServiceRequest", targets(atMost(80), most("allocations", 500)), measureValidate),
		part("validate-plan", "validate a personalised plan, 10 activities", targets(atMost(200)), measureDocument("plan.json")),
		part("validate-answers", "validate 28 answers by their Questionnaire", targets(atMost(150)), measureDocument("answers.json")),
		{id: "profiles", what: "load and compile all profiles", unit: "ms", targets: targets(atMost(150)), alone: true, run: measureProfiles},
		{id: "profiles-memory", what: "what they keep in memory", unit: "MB", targets: targets(atMost(40)), alone: true, run: measureProfileMemory},
		{id: "r4-examples", what: "decode and validate the official R4 examples", unit: "s", targets: targets(atMost(2)), alone: true, run: measureExamples},
		part("mapping-hl7v2", "HL7 v2 read and mapped, codec included", mapTarget(), measureMapping("hl7v2", "refer")),
		part("mapping-ppn-csv", "police CSV row read and mapped", mapTarget(), measureMapping("ppn-csv", "consented")),
		part("mapping-json", "self-referral JSON read and mapped", mapTarget(), measureMapping("self-referral-json", "full")),
		part("mapping-xml", "police XML read and mapped", nil, measureMapping("ppn-xml", "consented")),
		part("map-hl7v2", "HL7 v2 to validated bundle", mapTarget(), measureMap("hl7v2", "referral.hl7")),
		part("map-ppn-csv", "police CSV row to validated bundle", mapTarget(), measureMap("ppn-csv", "notice.csv")),
		part("map-fhir", "FHIR JSON bundle to validated bundle", mapTarget(), measureMap("fhir", "transaction.json")),
		part("map-bars", "BaRS message to validated bundle", nil, measureMap("bars", "bars.json")),
		part("map-bars-25", "BaRS message of 25 entries to validated bundle", targets(atMost(1500)), measureMap("bars", "bars-25.json")),
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

// chosen are the measures to run: those that are named, or all save those of a
// large store unless it is wanted.
func chosen(only []string, withLarge bool) []measure {
	return slices.DeleteFunc(measures(), func(m measure) bool {
		if len(only) > 0 {
			return !slices.Contains(only, m.id)
		}
		return m.size == large && !withLarge
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
