package profiles

import (
	"context"
	"time"

	"trellis.example/fhir"
	"trellis.example/profiles/terminology"
)

// Limits on what one document may ask of a terminology server.
const (
	remoteTime  = 2 * time.Second
	remoteAtOne = 8   // questions at one time
	remoteMost  = 256 // different questions; what is beyond stays unchecked
)

// A question is a place whose codes cannot be judged here. Without a binding it
// asks whether the code exists.
type question struct {
	at  fhir.Value
	typ string
	b   *binding
}

// finish settles what the walk left open: it asks the terminology server about
// all codes together, or says what stays unchecked.
func (w *walk) finish() {
	if len(w.pending) == 0 {
		return
	}
	if w.o.Remote == nil {
		for _, q := range w.pending {
			if q.b != nil && q.b.strength == isRequired {
				w.unchecked(q, fhir.NotSupported, "unable to check: whether the code is in the value set cannot be decided here")
			}
		}
		return
	}
	queries := w.queries()
	answers := ask(w.o.Context, w.o.Remote, queries.list)
	bound := w.boundCodings()
	for _, q := range w.pending {
		w.settle(q, queries, answers, bound)
	}
}

// boundCodings are the codings of the places that a binding asks about: one
// remark at a place is enough.
func (w *walk) boundCodings() map[fhir.Value]bool {
	out := map[fhir.Value]bool{}
	for _, q := range w.pending {
		if q.b == nil {
			continue
		}
		out[q.at] = true
		for c := q.at.Get("coding").First(); c.Exists(); c = c.Next() {
			out[c] = true
		}
	}
	return out
}

// queries are the different questions of a document.
type queries struct {
	list []terminology.Query
	at   map[terminology.Query]int
}

func (w *walk) queries() queries {
	qs := queries{at: map[terminology.Query]int{}}
	for _, q := range w.pending {
		q.each(func(x terminology.Query) {
			if _, known := qs.at[x]; !known && len(qs.list) < remoteMost {
				qs.at[x] = len(qs.list)
				qs.list = append(qs.list, x)
			}
		})
	}
	return qs
}

// each yields what has to be asked for a place: one query a coding.
func (q question) each(f func(terminology.Query)) {
	x := terminology.Query{}
	if q.b != nil {
		x.ValueSet = q.b.valueSet
	}
	coding := func(c fhir.Value) {
		if code := c.Get("code").Text(); code != "" {
			x.System, x.Code = c.Get("system").Text(), code
			f(x)
		}
	}
	switch q.typ {
	case "CodeableConcept":
		for c := q.at.Get("coding").First(); c.Exists(); c = c.Next() {
			coding(c)
		}
	case "Coding", "Quantity":
		coding(q.at)
	default:
		x.Code = q.at.Text()
		f(x)
	}
}

// An answered is what became of one query; asked is false where the server was
// not reached in time.
type answered struct {
	index  int
	answer terminology.Answer
	asked  bool
}

// ask puts the questions to the server, several at a time, and returns when all
// are answered or the time is over, whatever the server does.
func ask(ctx context.Context, r terminology.Remote, list []terminology.Query) []answered {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, remoteTime)
	defer cancel()
	todo := make(chan int, len(list))
	done := make(chan answered, len(list)) // nobody who comes late has to wait
	for i := range list {
		todo <- i
	}
	close(todo)
	for range min(remoteAtOne, len(list)) {
		go func() {
			for i := range todo {
				if ctx.Err() != nil {
					return
				}
				a, err := r.ValidateCode(ctx, list[i])
				done <- answered{i, a, err == nil}
			}
		}()
	}
	out := make([]answered, len(list))
	for range list {
		select {
		case a := <-done:
			out[a.index] = a
		case <-ctx.Done():
			return out
		}
	}
	return out
}

// settle judges one place by the server's answers, after what is known here.
func (w *walk) settle(q question, qs queries, answers []answered, bound map[fhir.Value]bool) {
	away, unknown, yes := false, false, false
	q.each(func(x terminology.Query) {
		i, listed := qs.at[x]
		switch {
		case !listed || !answers[i].asked:
			away = true
		case answers[i].answer == terminology.Yes:
			yes = true
		case answers[i].answer == terminology.Unknown:
			unknown = true
		}
	})
	switch {
	case yes:
	case away && q.b == nil && bound[q.at]: // said at the place itself
	case away:
		w.unchecked(q, fhir.Transient, "unable to check: the terminology server did not answer")
	case unknown:
		if q.b != nil && q.b.strength == isRequired {
			w.unchecked(q, fhir.NotSupported, "unable to check: the terminology server does not know the value set or the code system")
		}
	case q.b != nil:
		w.outside(q.at, q.typ, q.b)
	default:
		w.unknownCode(q.at, fhir.SeverityWarning)
	}
}

func (w *walk) unchecked(q question, code fhir.Code, text string) {
	is := fhir.Issue{Severity: fhir.SeverityWarning, Code: code, Rule: ruleUnchecked, Text: text,
		Expected: "a code of its code system", Found: "a code that could not be checked"}
	if q.b != nil {
		is.Expected, is.Profile = "a code of "+q.b.name(), q.b.line
	}
	w.add(q.at, "", is)
}
