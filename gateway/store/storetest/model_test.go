package storetest

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/store"
)

// A modelStore answers from a Model, page by page. It shows that what the
// directed tests want, which is written down by hand, is what the model says,
// and so that a fault in either is found without a database.
type modelStore struct {
	store.Store // what is not asked of it

	mu    sync.Mutex
	model *Model
	seq   int64
}

func (s *modelStore) Commit(_ context.Context, c store.Commit) (store.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.model.Check(c, time.Now()); err != nil {
		return store.Result{}, err
	}
	s.seq++
	s.model.Apply(c, s.seq)
	return store.Result{Seq: s.seq}, nil
}

func (s *modelStore) Sweep(context.Context, time.Time) error { return nil }

func (s *modelStore) Read(_ context.Context, v auth.View, k store.Key) (store.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cur := s.model.current(k); cur != nil && v.Sees(k.Type, cur.Access) {
		return *cur, nil
	}
	return store.Version{}, store.ErrNotFound
}

func (s *modelStore) Search(_ context.Context, q store.Query) (store.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.Snapshot == 0 {
		q.Snapshot = s.seq
	}
	all := s.model.Search(q, q.Snapshot)
	p := store.Page{Snapshot: q.Snapshot, Total: -1}
	if q.Total {
		p.Total = len(all)
	}
	p.Versions, p.More = page(all, q.Limit, func(v store.Version) bool {
		return q.After != nil && v.Key.ID == q.After.ID && v.Key.Type == q.After.Type
	})
	if p.More {
		last := p.Versions[len(p.Versions)-1]
		p.Next = &store.Position{Seq: last.Seq, Type: last.Key.Type, ID: last.Key.ID}
		if q.Sort != nil {
			i := slices.IndexFunc(s.model.versions, func(v modelVersion) bool { return v.Key == last.Key && v.Number == last.Number })
			p.Next.Sort = s.model.versions[i].sortKey(q.Sort)
		}
	}
	return p, nil
}

// page cuts out what follows the version that is last.
func page(all []store.Version, limit int, last func(store.Version) bool) ([]store.Version, bool) {
	from := slices.IndexFunc(all, last) + 1
	to := min(from+max(limit, 1), len(all))
	return all[from:to], to < len(all)
}

func (s *modelStore) History(_ context.Context, q store.HistoryQuery) (store.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.Types == nil {
		if cur := s.model.current(q.Key); cur == nil || !q.View.Sees(q.Key.Type, cur.Access) {
			return store.Page{}, store.ErrNotFound
		}
		q.Types = []string{q.Key.Type}
	}
	all, _ := s.model.Histories(q)
	if q.Key.ID != "" {
		all = slices.DeleteFunc(all, func(v store.Version) bool { return v.Key != q.Key || q.Before > 0 && v.Number >= q.Before })
	}
	var p store.Page
	p.Versions, p.More = page(all, q.Limit, func(v store.Version) bool {
		return q.After != nil && v.Key.ID == q.After.ID && v.Key.Type == q.After.Type && v.Number == q.After.Number
	})
	if p.More {
		last := p.Versions[len(p.Versions)-1]
		p.Next = &store.Position{Seq: last.Seq, Type: last.Key.Type, ID: last.Key.ID, Number: last.Number}
	}
	return p, nil
}

func (s *modelStore) Scan(_ context.Context, q store.ScanQuery) (store.ScanPage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.Snapshot == 0 {
		q.Snapshot = s.seq
	}
	if q.Snapshot > s.seq {
		return store.ScanPage{}, store.ErrExpired
	}
	all := s.model.Scan(q, q.Snapshot)
	from, _ := strconv.Atoi(q.After)
	to := min(from+max(q.Limit, 1), len(all))
	p := store.ScanPage{Versions: all[from:to], Snapshot: q.Snapshot}
	if to < len(all) {
		p.Next = strconv.Itoa(to)
	}
	return p, nil
}

func TestModelKeepsTheContract(t *testing.T) {
	open := func(*testing.T, *Clock) Opened { return Opened{Store: &modelStore{model: NewModel()}} }
	// The model remembers everything and counts no candidates.
	beyond := []string{"TooCostly", "SortExpires"}
	for name, tests := range map[string][]test{
		"Search": searchTests, "Kind": kindTests, "Clause": clauseTests, "Union": unionTests,
		"Sort": sortTests, "Stable": stableTests, "Histories": historyTests, "Scan": scanTests,
	} {
		t.Run(name, func(t *testing.T) {
			for _, tt := range tests {
				if !slices.Contains(beyond, tt.name) {
					t.Run(tt.name, func(t *testing.T) { tt.run(t, newFixture(t, open)) })
				}
			}
		})
	}
}
