package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// exportTimeout bounds one export.
const exportTimeout = 5 * time.Minute

// measureExport takes everything out of a filled store: from the request until
// the last line of the last file has come.
func measureExport(ctx context.Context, s *session, row *Row) error {
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	token, err := s.token(ctx, s.loader)
	if err != nil {
		return err
	}
	// Bytes as they are: nothing is won by compression on one machine.
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	x := exporting{base: "http://" + s.gateway.http, token: token, client: &http.Client{Transport: transport}}
	stopProfile := s.profile(ctx, row.ID)
	before, known := s.gateway.cpu()
	ownBefore, began := ownCPU(), time.Now()
	n, err := x.all(ctx)
	elapsed, own := time.Since(began), ownCPU()-ownBefore
	after, _ := s.gateway.cpu()
	stopProfile()
	if err != nil {
		return err
	}
	row.exported(n, s.size)
	row.Value, row.OwnCPU = float64(n)/elapsed.Seconds(), perOp(own, n)
	if known {
		row.CPU = perOp(after-before, n)
	}
	return nil
}

// exported says how many resources came of those that are there.
func (r *Row) exported(came, there int) {
	r.Done, r.Failed = came, max(came-there, there-came)
	if r.Failed > 0 {
		r.Failure = fmt.Sprintf("%d of %d resources came", came, there)
	}
}

// An exporting is one bulk export by its client.
type exporting struct {
	base, token string
	client      *http.Client
}

// exportAtOnce is how many files are fetched at once, as clients of bulk data
// do.
const exportAtOnce = 4

// all starts an export, waits until it is prepared, fetches its files and
// returns how many lines they have.
func (x exporting) all(ctx context.Context) (int, error) {
	at, err := x.start(ctx)
	if err != nil {
		return 0, err
	}
	files, err := x.wait(ctx, at)
	if err != nil {
		return 0, err
	}
	var n atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(exportAtOnce)
	for _, f := range files {
		g.Go(func() error {
			lines, err := x.file(ctx, f)
			n.Add(int64(lines))
			return err
		})
	}
	err = g.Wait()
	return int(n.Load()), err
}

func (x exporting) start(ctx context.Context) (at string, err error) {
	a, err := x.get(ctx, "/fhir/$export?_type="+strings.Join(heldTypes(), ","), http.StatusAccepted)
	if err != nil {
		return "", err
	}
	defer a.Body.Close()
	return a.Header.Get("Content-Location"), nil
}

// exportPoll is how often the state of an export is asked for.
const exportPoll = 50 * time.Millisecond

// wait returns the addresses of the files.
func (x exporting) wait(ctx context.Context, at string) ([]string, error) {
	for ctx.Err() == nil {
		a, err := x.get(ctx, at, http.StatusOK, http.StatusAccepted)
		if err != nil {
			return nil, err
		}
		var m struct{ Output []struct{ URL string } }
		if a.StatusCode == http.StatusOK {
			err = json.NewDecoder(a.Body).Decode(&m)
		}
		err = errors.Join(err, a.Body.Close())
		if err != nil || a.StatusCode == http.StatusOK {
			var files []string
			for _, o := range m.Output {
				files = append(files, o.URL)
			}
			return files, err
		}
		time.Sleep(exportPoll)
	}
	return nil, context.Cause(ctx)
}

func (x exporting) file(ctx context.Context, at string) (lines int, err error) {
	a, err := x.get(ctx, at, http.StatusOK)
	if err != nil {
		return 0, err
	}
	defer a.Body.Close()
	buf := make([]byte, 256<<10)
	for {
		n, err := a.Body.Read(buf)
		lines += bytes.Count(buf[:n], []byte("\n"))
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, err
		}
	}
}

// get asks for an address of the gateway's, by whatever public name it gives
// itself.
func (x exporting) get(ctx context.Context, at string, want ...int) (*http.Response, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, x.base+u.RequestURI(), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+x.token)
	r.Header.Set("Prefer", "respond-async")
	a, err := x.client.Do(r)
	if err != nil {
		return nil, err
	}
	for _, w := range want {
		if a.StatusCode == w {
			return a, nil
		}
	}
	defer a.Body.Close()
	b, _ := io.ReadAll(io.LimitReader(a.Body, answerLimit)) // what came is enough
	return nil, errors.New("export: " + describe(answer{status: a.StatusCode, body: b}, nil))
}
