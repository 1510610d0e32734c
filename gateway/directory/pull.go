package directory

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"trellis.example/auth"
	"trellis.example/fhir"
	"trellis.example/gateway/intake"
	"trellis.example/gateway/store"
)

// pullWorkers is how many services of a page are asked for at once.
const pullWorkers = 4

// A Feed is an Open Referral UK directory to pull from.
type Feed struct {
	// URL is the stub of its endpoints, without "/services".
	URL string
	// Version of the standard it follows, 3 or 1.
	Version int
	// Private allows http and internal addresses: a directory of one's own.
	Private bool
	// Rate is how many questions it is asked a second; 0 means 10.
	Rate float64
	// Backoff is the wait before a second try, doubled each time; 0 means a
	// second.
	Backoff time.Duration
	// PerPage is how many services a page is asked to hold; 0 means 100.
	PerPage int
	// Changed asks only for what changed since the last complete pull, as far
	// as the feed can tell.
	Changed bool
	// Afresh asks for every service, whatever was remembered.
	Afresh bool
	// Vanish lets more than half of the feed's services become inactive at
	// once.
	Vanish bool
}

// A Report tells what became of a pull.
type Report struct {
	Feed string `json:"feed"`
	// Pages and Services were listed; of the services, Asked were fetched in
	// full, and the others stood as they were.
	Pages    int `json:"pages"`
	Services int `json:"services"`
	Asked    int `json:"asked"`
	// What became of those asked for.
	Created   int `json:"created"`
	Updated   int `json:"updated"`
	Unchanged int `json:"unchanged"`
	Rejected  int `json:"rejected"`
	// Inactive are services that the feed no longer has.
	Inactive int `json:"inactive"`
	// Complete says that the whole feed was seen.
	Complete bool `json:"complete"`
	// Warnings are about the feed as a whole.
	Warnings []string `json:"warnings,omitempty"`
	// Refused are the services that were not taken, the first 1,000.
	Refused []Refusal `json:"refused,omitempty"`
}

// A Refusal is a service that was not taken, and why.
type Refusal struct {
	ID     string  `json:"id"`
	Issues []Fault `json:"issues"`
}

// A Fault is one thing that is wrong with a service: its place in the feed's
// document, in FHIR, or both. It never shows a value.
type Fault struct {
	Severity   string `json:"severity"`
	Source     string `json:"source,omitempty"`
	Expression string `json:"expression,omitempty"`
	Rule       string `json:"rule,omitempty"`
	Text       string `json:"text"`
}

const maxRefused = 1000

// A Puller pulls feeds into the store.
type Puller struct {
	*Taker
	Store store.Store
	Clock func() time.Time
	Log   *slog.Logger
	// Progress, when set, is told how many services of how many are done.
	Progress func(done, of int)
}

// ErrFeed is wrapped by errors that are the feed's fault.
var ErrFeed = errors.New("the feed")

// sender is who a feed's services come from: the feed itself, as an importer.
func sender(id string) (intake.Sender, error) {
	scopes, err := auth.ParseScopes("system/*.cruds")
	if err != nil {
		return intake.Sender{}, err
	}
	return intake.Sender{Principal: auth.NewPrincipal("directory-"+id, auth.RoleImporter, "", scopes)}, nil
}

// A pull is one pull under way.
type pull struct {
	*Puller
	feed   Feed
	fetch  *fetcher
	memory *memory
	state  *state
	from   intake.Sender
	known  map[string]item // what was remembered of services
	pages  map[int]*page
	seen   map[string]bool
	shared *shared

	mu     sync.Mutex
	report Report
}

// Pull brings the store up to the feed. A pull that breaks off leaves what it
// has taken and goes on there when it is called again. The report tells what
// was done, with an error too.
func (p *Puller) Pull(ctx context.Context, feed Feed) (Report, error) {
	defaults(&feed)
	u := &pull{Puller: p, feed: feed, known: map[string]item{}, seen: map[string]bool{},
		shared: &shared{known: map[string]store.Key{}}, report: Report{Feed: feed.URL}}
	err := u.prepare(ctx)
	if err != nil {
		return u.report, err
	}
	ctx = auth.NewContext(ctx, u.from.Principal)
	err = u.run(ctx)
	// The end is told to the store even when the caller has gone.
	done, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return u.report, errors.Join(err, u.memory.release(done, u.state))
}

func defaults(f *Feed) {
	if f.Version == 0 {
		f.Version = 3
	}
	if f.Rate <= 0 {
		f.Rate = 10
	}
	if f.Backoff <= 0 {
		f.Backoff = time.Second
	}
	if f.PerPage <= 0 {
		f.PerPage = 100
	}
}

func (u *pull) prepare(ctx context.Context) (err error) {
	if u.fetch, err = newFetcher(u.feed.URL, u.feed.Private, u.feed.Rate, u.feed.Backoff); err != nil {
		return err
	}
	id := FeedID(u.feed.URL)
	if u.from, err = sender(id); err != nil {
		return err
	}
	u.memory = &memory{store: u.Store, id: id, now: u.Clock}
	if u.pages, err = u.memory.pages(ctx); err != nil {
		return err
	}
	for _, p := range u.pages {
		for _, it := range p.Items {
			u.known[it.ID] = it
		}
	}
	u.state, err = u.memory.begin(ctx, u.fetch.base, !u.feed.Changed)
	return err
}

func (u *pull) run(ctx context.Context) error {
	last, err := u.walk(ctx)
	if err != nil {
		return err
	}
	if u.feed.Changed {
		u.state.Finished = u.Clock()
		return nil
	}
	for n, p := range u.pages {
		if n > last {
			if err := u.memory.dropPage(ctx, n, p); err != nil {
				return err
			}
		}
	}
	if err := u.vanished(ctx); err != nil {
		return err
	}
	u.state.Open, u.state.Finished, u.state.Complete = false, u.Clock(), u.state.Began
	u.report.Complete = true
	return nil
}

// walk goes through the pages and returns the number of the last one.
func (u *pull) walk(ctx context.Context) (int, error) {
	for n := 1; n <= maxPages; n++ {
		before := len(u.seen)
		last, count, err := u.page(ctx, n)
		if err != nil {
			return n, err
		}
		u.report.Pages++
		u.report.Services = len(u.seen)
		switch {
		case len(u.seen) > maxServices:
			return n, errors.Join(ErrFeed, errors.New("has more than 200,000 services"))
		case last || count == 0:
			return n, nil
		case len(u.seen) == before:
			return n, errors.Join(ErrFeed, errors.New("repeats its pages: page "+strconv.Itoa(n)+" holds nothing new"))
		}
	}
	return maxPages, errors.Join(ErrFeed, errors.New("has more than 20,000 pages"))
}

// page takes one page and reports whether it is the last, and how many services
// it lists.
func (u *pull) page(ctx context.Context, n int) (bool, int, error) {
	old := u.pages[n]
	if old != nil && old.Pull == u.state.Pull && !u.feed.Changed { // done before this pull broke off
		for _, it := range old.Items {
			u.seen[it.ID] = true
		}
		return old.Last, len(old.Items), nil
	}
	etag := ""
	if old != nil && !u.feed.Afresh && !u.feed.Changed {
		etag = old.ETag
	}
	ans, err := u.fetch.get(ctx, u.query(n), etag)
	if err != nil {
		return false, 0, err
	}
	now := &page{Pull: u.state.Pull}
	if old != nil {
		now.version = old.version
	}
	if ans.unchanged {
		now.ETag, now.Last, now.Total, now.Items = old.ETag, old.Last, old.Total, slices.Clone(old.Items)
	} else if err := u.listed(now, ans, n); err != nil {
		return false, 0, err
	}
	if err := u.items(ctx, now); err != nil {
		return false, 0, err
	}
	if u.feed.Changed {
		return now.Last, len(now.Items), nil
	}
	u.pages[n] = now
	return now.Last, len(now.Items), u.memory.keepPage(ctx, u.state, n, now)
}

func (u *pull) query(n int) string {
	q := url.Values{"page": {strconv.Itoa(n)}, "per_page": {strconv.Itoa(u.feed.PerPage)}}
	if u.feed.Changed && !u.state.Complete.IsZero() {
		q.Set("modified_after", u.state.Complete.UTC().Format(time.RFC3339))
	}
	return "/services?" + q.Encode()
}

// listed reads a page that was sent anew.
func (u *pull) listed(now *page, ans answer, n int) error {
	l, nameless, err := list(ans.body)
	if err != nil {
		return err
	}
	if l.version != u.feed.Version {
		return errors.Join(ErrFeed, errors.New("follows version "+strconv.Itoa(l.version)+" of Open Referral UK; say so with --version"))
	}
	if nameless > 0 {
		u.warn(strconv.Itoa(nameless) + " services of page " + strconv.Itoa(n) + " have no id")
	}
	now.ETag, now.Total, now.Items = ans.etag, l.total, l.items
	now.Last = l.last || l.pages > 0 && n >= l.pages
	return nil
}

func (u *pull) warn(text string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.report.Warnings) < 100 {
		u.report.Warnings = append(u.report.Warnings, text)
	}
}

// items asks for the services of a page that may have changed.
func (u *pull) items(ctx context.Context, p *page) error {
	var wg sync.WaitGroup
	var failed error
	turns := make(chan struct{}, pullWorkers)
	for i := range p.Items {
		it := &p.Items[i]
		if u.seen[it.ID] {
			continue // a page that shifted while it was read
		}
		u.seen[it.ID] = true
		was, met := u.known[it.ID]
		if met && was.Taken && was.Hash == it.Hash && !u.feed.Afresh && !u.feed.Changed {
			it.ETag, it.Taken = was.ETag, true
			continue
		}
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			if err := u.service(ctx, it, was); err != nil {
				u.mu.Lock()
				defer u.mu.Unlock()
				failed = errors.Join(failed, err)
			}
		})
		u.mu.Lock()
		stop := failed
		u.mu.Unlock()
		if stop != nil {
			break
		}
	}
	wg.Wait()
	if u.Progress != nil {
		u.Progress(len(u.seen), p.Total)
	}
	return failed
}

// service asks for one service in full and takes it. Only what stops the whole
// pull is an error: the store is away, the feed cannot be reached, or the caller
// has gone.
func (u *pull) service(ctx context.Context, it *item, was item) error {
	etag := ""
	if was.Taken && !u.feed.Afresh {
		etag = was.ETag
	}
	ans, err := u.fetch.get(ctx, "/services/"+url.PathEscape(it.ID), etag)
	if err != nil {
		return u.unreached(ctx, it, err)
	}
	u.count(&u.report.Asked)
	if it.ETag = ans.etag; ans.unchanged {
		it.Taken = true
		u.count(&u.report.Unchanged)
		return nil
	}
	got, err := u.take(ctx, u.from, u.format(), ans.body, true, u.shared)
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) {
			return err
		}
		e := fhir.AsError(err)
		if e.HTTPStatus() >= http.StatusInternalServerError {
			u.Log.LogAttrs(ctx, slog.LevelError, "a service of a directory was not taken", slog.String("error", err.Error()))
		}
		u.refuse(it.ID, e.Issues)
		return nil
	}
	switch got.Status {
	case intake.Created:
		u.count(&u.report.Created)
	case intake.Updated:
		u.count(&u.report.Updated)
	case intake.Unchanged:
		u.count(&u.report.Unchanged)
	default:
		u.refuse(it.ID, got.Issues)
		return nil
	}
	it.Taken = true
	return nil
}

// unreached reports a service that the feed lists and does not give.
func (u *pull) unreached(ctx context.Context, it *item, err error) error {
	if _, ok := errors.AsType[*statusError](err); (ok || errors.Is(err, errFeedSize) || errors.Is(err, errFeedCut)) && ctx.Err() == nil {
		u.refuse(it.ID, []fhir.Issue{{Severity: fhir.SeverityError, Code: fhir.NotFound, Text: err.Error()}})
		return nil
	}
	return err
}

func (u *pull) format() string { return "oruk-v" + strconv.Itoa(u.feed.Version) }

func (u *pull) count(n *int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	*n++
}

func (u *pull) refuse(id string, issues []fhir.Issue) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.report.Rejected++
	if len(u.report.Refused) < maxRefused {
		r := Refusal{ID: id}
		for _, is := range issues {
			if is.Severity != fhir.SeverityInformation && is.Severity != fhir.SeverityWarning {
				r.Issues = append(r.Issues, Fault{string(cmp.Or(is.Severity, fhir.SeverityError)), is.Source, is.Expression, is.Rule, is.Text})
			}
		}
		u.report.Refused = append(u.report.Refused, r)
	}
}
