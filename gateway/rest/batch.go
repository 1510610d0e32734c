package rest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"trellis.example/fhir"
)

const (
	// batchWorkers is how many entries of a batch are done at once.
	batchWorkers = 8
	// maxAnswers bounds what the entries of one batch answer together, in bytes:
	// what would be done after is refused, entry by entry.
	maxAnswers = 32 << 20
)

// A Finder finds the operation that serves a request at an address below the
// base, and the request with what the address names.
type Finder func(*http.Request) (*Operation, *http.Request, error)

// Serve tells the API where requests would go, for those in Bundles.
func (a *API) Serve(f Finder) { a.find = f }

// batch does each entry as a request of its own: judged, audited and answered by
// itself.
func (a *API) batch(q *Request, b fhir.Resource) (Response, error) {
	r := &batchRun{q: q, fullURLs: map[string]bool{}}
	for _, e := range b.Entries() {
		r.entries = append(r.entries, e)
		if e.FullURL != "" {
			r.fullURLs[e.FullURL] = true
		}
	}
	r.answers = make([]entryAnswer, len(r.entries))
	for p := range phases {
		r.phase(p)
	}
	r.phase(-1) // methods that there are not
	if r.panicked != nil {
		panic(r.panicked)
	}
	q.entry.Entities = nil
	return Response{Body: responseBundle("batch-response", r.answers)}, q.record()
}

type batchRun struct {
	q       *Request
	entries []fhir.Entry
	answers []entryAnswer
	// fullURLs are those of the entries: none may refer to another.
	fullURLs map[string]bool

	mu       sync.Mutex
	size     int
	panicked any // what an entry panicked with
}

// phase does the entries of one phase, several at once.
func (r *batchRun) phase(p int) {
	todo := make(chan int)
	var wg sync.WaitGroup
	for range min(batchWorkers, len(r.entries)) {
		wg.Go(func() {
			for i := range todo {
				r.one(i)
			}
		})
	}
	for i, e := range r.entries {
		if phase(e.Method) == p {
			todo <- i
		}
	}
	close(todo)
	wg.Wait()
}

// one does one entry. A panic is kept for the request's own goroutine, whose
// guard answers it.
func (r *batchRun) one(i int) {
	defer func() {
		if v := recover(); v != nil {
			r.mu.Lock()
			r.panicked = v
			r.mu.Unlock()
		}
	}()
	var answer entryAnswer
	if r.full() { // what was done is never answered as refused
		answer = failed(fhir.Errorf(fhir.TooCostly, "the answers of this batch are too large together; ask for less at once"))
	} else {
		answer = r.do(r.entries[i], i)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.size += len(answer.Body)
	r.answers[i] = answer
}

// full reports whether the answers are as large as they may get.
func (r *batchRun) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.size > maxAnswers
}

func (r *batchRun) do(e fhir.Entry, i int) entryAnswer {
	if phase(e.Method) < 0 {
		return failed(&fhir.Error{Issues: []fhir.Issue{{Code: fhir.NotSupported, Expression: place(i) + ".request.method", Text: "request.method is GET, HEAD, POST, PUT, PATCH or DELETE"}}})
	}
	if err := r.independent(e); err != nil {
		return failed(err)
	}
	sub, err := r.q.entryRequest(e)
	if err != nil {
		return failed(err)
	}
	if key := r.q.entryKey(i); key != "" && e.Method != http.MethodGet && e.Method != http.MethodHead {
		sub.Header["Idempotency-Key"] = []string{key}
	}
	return r.q.api.perform(sub)
}

// independent refuses an entry that refers to another one: what that becomes is
// not known in a batch.
func (r *batchRun) independent(e fhir.Entry) error {
	var issues []fhir.Issue
	fhir.EachReference(e.Resource, func(v fhir.Value) {
		if s := v.Text(); strings.HasPrefix(s, "urn:") && r.fullURLs[s] {
			issues = append(issues, fhir.Issue{Code: fhir.BusinessRule, Expression: v.Path(), Text: "entries of a batch cannot refer to each other; send a transaction"})
		}
	})
	return fhir.Faults(issues)
}

// entryKey derives an entry's Idempotency-Key from that of the batch: whoever
// sends the batch again gets the first answers.
func (q *Request) entryKey(i int) string {
	key := q.Header.Get("Idempotency-Key")
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:]) + "." + strconv.Itoa(i)
}

// perform serves a request that is not from the wire.
func (a *API) perform(r *http.Request) entryAnswer {
	if a.find == nil {
		return failed(notFound())
	}
	op, r, err := a.find(r)
	if err != nil {
		return failed(err)
	}
	q, resp, err := op.serve(r)
	if err != nil {
		return failed(err)
	}
	if resp.Status == 0 {
		resp.Status = http.StatusOK
	}
	if r.Method == http.MethodHead {
		resp.Body = nil
	}
	out := entryAnswer{Response: resp}
	if q.ID != "" && resp.Version > 0 {
		out.fullURL = a.base + "/" + q.Type + "/" + q.ID
	}
	return out
}

// An entryAnswer is the answer to one entry of a batch or transaction.
type entryAnswer struct {
	Response
	fullURL string
}

func failed(err error) entryAnswer {
	e := fhir.AsError(StoreError(err))
	return entryAnswer{Response: Response{Status: e.HTTPStatus(), Body: fhir.Outcome(e.Issues)}}
}

// responseBundle writes the answers in the order of the entries.
func responseBundle(kind string, answers []entryAnswer) []byte {
	size := 64
	for _, x := range answers {
		size += len(x.Body) + 384
	}
	b := append(make([]byte, 0, size), `{"resourceType":"Bundle","type":"`+kind+`","entry":[`...)
	for i, x := range answers {
		if i > 0 {
			b = append(b, ',')
		}
		b = x.append(b)
	}
	return append(b, `]}`...)
}

// append writes the entry. What a change answers with is its outcome when it is
// an OperationOutcome; anything else is the entry's resource.
func (x entryAnswer) append(b []byte) []byte {
	b = append(b, '{')
	if x.fullURL != "" {
		b = append(fhir.AppendString(append(b, `"fullUrl":`...), x.fullURL), ',')
	}
	outcome := isOutcome(x.Body)
	if len(x.Body) > 0 && !outcome {
		b = append(append(append(b, `"resource":`...), x.Body...), ',')
	}
	b = append(b, `"response":{"status":`...)
	b = fhir.AppendString(b, strconv.Itoa(x.Status)+" "+http.StatusText(x.Status))
	if x.Location != "" {
		b = fhir.AppendString(append(b, `,"location":`...), x.Location)
	}
	if x.Version > 0 {
		b = fhir.AppendString(append(b, `,"etag":`...), `W/"`+strconv.Itoa(x.Version)+`"`)
	}
	if !x.Updated.IsZero() {
		b = fhir.AppendString(append(b, `,"lastModified":`...), fhir.Instant(x.Updated))
	}
	if outcome {
		b = append(append(b, `,"outcome":`...), x.Body...)
	}
	return append(b, `}}`...)
}

func isOutcome(body []byte) bool {
	return bytes.HasPrefix(body, []byte(`{"resourceType":"OperationOutcome"`))
}
