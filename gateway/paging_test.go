package gateway_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"trellis.example/fhir"
)

// walk reads all pages from a path and returns the ids of the matches, or the
// keys and versions of a history; begun is called after the first page.
func (s *system) walk(who, path string, begun func()) (ids []string) {
	s.t.Helper()
	for page := 1; path != ""; page++ {
		a := s.get(who, path)
		if a.StatusCode != http.StatusOK || page > 500 {
			s.t.Errorf("page %d: %s\n%s", page, a.Status, a.body)
			return ids
		}
		root := a.root(s.t)
		for e := range root.Get("entry").Items() {
			switch {
			case e.At("search", "mode").Text() == "match":
				ids = append(ids, e.At("resource", "resourceType").Text()+"/"+e.At("resource", "id").Text())
			case e.Get("request").Exists():
				ids = append(ids, e.Get("fullUrl").Text()+e.At("response", "etag").Text())
			}
		}
		if page == 1 && begun != nil {
			begun()
		}
		path = strings.TrimPrefix(next(root), s.g.PublicURL)
	}
	return ids
}

func next(bundle fhir.Value) string {
	for l := range bundle.Get("link").Items() {
		if l.Get("relation").Text() == "next" {
			return l.Get("url").Text()
		}
	}
	return ""
}

// churn writes until stop is closed: new resources, new versions, deletions.
func (s *system) churn(patients, records []string, stop chan struct{}, wg *sync.WaitGroup) *atomic.Int64 {
	var n atomic.Int64
	h := http.Header{"Content-Type": {fhirType}}
	for w := range 3 {
		wg.Go(func() {
			for i := w; ; i += 3 {
				select {
				case <-stop:
					return
				default:
				}
				p, f := patients[i%len(patients)], records[i%len(records)]
				s.post("surgery", "/fhir/Patient", fhirType, person("", fmt.Sprintf("Walk%03d", i%200)))
				s.do("surgery", http.MethodPut, "/fhir/"+p, h, person(p, fmt.Sprintf("Moved%03d", i%200)))
				s.do("surgery", http.MethodPut, "/fhir/"+f, h, mark(f, patients[(i+7)%len(patients)], "amended"))
				if i%2 == 0 {
					s.do("importer", http.MethodDelete, "/fhir/"+f, nil, nil)
				}
				n.Add(3)
			}
		})
	}
	return &n
}

func person(key, family string) []byte {
	return fmt.Appendf(nil, `{"resourceType":"Patient"%s,"name":[{"family":%q}],"birthDate":"1951-06-02"}`, idOf(key), family)
}

func mark(key, patient, status string) []byte {
	return fmt.Appendf(nil, `{"resourceType":"Observation"%s,"status":%q,"code":{"text":"x"},"subject":{"reference":%q}}`, idOf(key), status, patient)
}

func idOf(key string) string {
	if _, id, ok := strings.Cut(key, "/"); ok {
		return fmt.Sprintf(`,"id":%q`, id)
	}
	return ""
}

// TestPagesUnderWrites: whatever is created, changed and deleted meanwhile, a
// walk shows what there was when it began: nothing twice, nothing left out.
func TestPagesUnderWrites(t *testing.T) {
	onStores(t, func(t *testing.T, s *system) {
		s.partners()
		s.partner("importer", "importer", "", nil)
		s.token("importer")
		create := func(typ string, doc []byte) string {
			t.Helper()
			return typ + "/" + s.want(s.post("surgery", "/fhir/"+typ, fhirType, doc), 201).root(t).Get("id").Text()
		}
		const many = 40
		var patients, records []string
		for i := range many {
			patients = append(patients, create("Patient", person("", fmt.Sprintf("Walk%03d", i/2))))
			records = append(records, create("Observation", mark("", patients[i], "final")))
		}
		walks := []struct {
			path string
			want []string
		}{
			{"/fhir/Patient?_count=6", patients},
			{"/fhir/Patient?family=walk&_count=6", patients},
			{"/fhir/Patient?_sort=family&_count=6", patients},
			{"/fhir/Patient?family=walk&_sort=-family,birthdate&_count=6", patients},
			{"/fhir/Patient?_sort=_lastUpdated&_count=6", patients},
			{"/fhir/Observation?status=final&_count=6", records},
			{"/fhir/Observation?patient.family=walk&_count=6", records},
			{"/fhir/Patient?_has:Observation:patient:status=final&_count=6", patients},
			{"/fhir?_type=Patient,Observation&_count=9", slices.Concat(patients, records)},
			{"/fhir/Patient/" + strings.TrimPrefix(patients[0], "Patient/") + "/*?_count=1", []string{records[0]}},
			{"/fhir/Patient/" + strings.TrimPrefix(patients[1], "Patient/") + "/$everything?_count=1", []string{patients[1], records[1]}},
		}
		first := make(chan struct{})
		stop := make(chan struct{})
		var begun, walkers, writers sync.WaitGroup
		begun.Add(len(walks))
		for _, w := range walks {
			walkers.Go(func() {
				once := sync.OnceFunc(begun.Done)
				defer once()
				got := s.walk("surgery", w.path, func() { once(); <-first })
				wanted := slices.Clone(w.want)
				slices.Sort(got)
				slices.Sort(wanted)
				if strings.Contains(w.path, "/*") { // the Patient is in its own compartment
					got = slices.DeleteFunc(got, func(k string) bool { return strings.HasPrefix(k, "Patient/") })
				}
				if !slices.Equal(got, wanted) {
					t.Errorf("%s: %d, %d of them different; want the %d there were when it began", w.path, len(got), len(slices.Compact(slices.Clone(got))), len(wanted))
				}
			})
		}
		begun.Wait()
		n := s.churn(patients, records, stop, &writers)
		for n.Load() < 30 {
			s.get("surgery", "/fhir/Patient?_count=1")
		}
		close(first)
		walkers.Wait()
		s.walksUnderWay()
		close(stop)
		writers.Wait()
	})
}

// walksUnderWay begins walks while others write: nothing is shown twice.
func (s *system) walksUnderWay() {
	s.t.Helper()
	for _, path := range []string{"/fhir/Patient?_count=25", "/fhir/Patient?_sort=family&_count=25", "/fhir/Observation?_count=10", "/fhir/Patient/_history?_count=25", "/fhir/_history?_count=50"} {
		got := s.walk("surgery", path, nil)
		slices.Sort(got)
		if n := len(slices.Compact(slices.Clone(got))); n != len(got) || n == 0 {
			s.t.Errorf("%s: %d shown, %d of them different", path, len(got), n)
		}
	}
}
