//go:build unix

package sqlitestore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"trellis.example/auth"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
)

// bulkWrite is the n-th of many new resources, as an import brings them: one
// Patient, then its ServiceRequest and two Observations.
func bulkWrite(n int64) store.Write {
	at := time.UnixMilli(1_790_000_000_000 + n)
	id := fmt.Sprintf("%08x-7c4e-4e0a-9c3d-%012x", uint32(n*2654435761), n)
	w := store.Write{
		View: auth.SystemView(), Body: benchBody, Updated: at,
		Access: auth.NewAccess(fmt.Sprint("Organization/", n%200), fmt.Sprint("Organization/hub", n%10)),
	}
	patient := fmt.Sprintf("Patient/%08x-7c4e-4e0a-9c3d-%012x", uint32(n/4*4*2654435761), n/4*4)
	switch n % 4 {
	case 0:
		w.Key = store.Key{Type: "Patient", ID: id}
		w.Index = bulkPatient(id, n)
	case 1:
		w.Key = store.Key{Type: "ServiceRequest", ID: id}
		w.Index = bulkRequest(id, patient, n, at)
	default:
		w.Key = store.Key{Type: "Observation", ID: id}
		w.Index = bulkObservation(patient, n, at)
	}
	return w
}

func bulkToken(param, sys, value string, common bool) store.Index {
	return store.Index{Param: param, Kind: store.Token, System: sys, Value: value, Common: common}
}

func bulkRef(param, value string) store.Index {
	return store.Index{Param: param, Kind: store.Reference, Value: value}
}

func bulkDate(param string, at time.Time) store.Index {
	return store.Index{Param: param, Kind: store.Date, Low: at.UnixMilli(), High: at.UnixMilli() + 999}
}

func bulkText(param, value string, n int64) store.Index {
	v := fmt.Sprint(value, n%1000)
	return store.Index{Param: param, Kind: store.Text, Value: v, System: v}
}

func bulkPatient(id string, n int64) []store.Index {
	return []store.Index{
		bulkToken("identifier", "https://fhir.nhs.uk/Id/nhs-number", fmt.Sprint(9_000_000_000+n), false),
		bulkToken("identifier", "https://example.org/person", id, false),
		bulkToken("gender", "http://hl7.org/fhir/administrative-gender", "female", true),
		bulkToken("active", "", "true", true),
		bulkText("family", "family", n), bulkText("given", "given", n), bulkText("address-city", "town", n),
		bulkToken("telecom", "phone", fmt.Sprint("07700", n%1_000_000), false),
		bulkDate("birthdate", time.Unix(n%1_000_000_000, 0)),
		bulkRef("general-practitioner", fmt.Sprint("Organization/", n%200)),
	}
}

func bulkRequest(id, patient string, n int64, at time.Time) []store.Index {
	return []store.Index{
		bulkToken("identifier", "https://example.org/referral", id, false),
		bulkRef("patient", patient), bulkRef("subject", patient),
		bulkRef("requester", fmt.Sprint("Organization/", n%200)), bulkRef("performer", fmt.Sprint("Organization/hub", n%10)),
		bulkToken("status", "http://hl7.org/fhir/request-status", "active", true),
		bulkToken("intent", "http://hl7.org/fhir/request-intent", "order", true),
		bulkToken("priority", "http://hl7.org/fhir/request-priority", "routine", true),
		bulkToken("category", "http://snomed.info/sct", "871731000000106", true),
		bulkToken("code", "http://snomed.info/sct", "871731000000106", true),
		bulkDate("authored", at), bulkDate("occurrence", at),
	}
}

func bulkObservation(patient string, n int64, at time.Time) []store.Index {
	return []store.Index{
		bulkToken("identifier", "https://example.org/observation", fmt.Sprint(n), false),
		bulkRef("patient", patient), bulkRef("subject", patient),
		bulkRef("performer", fmt.Sprint("Practitioner/", n%500)), bulkRef("based-on", fmt.Sprint("ServiceRequest/", n/4)),
		bulkToken("status", "http://hl7.org/fhir/observation-status", "final", true),
		bulkToken("category", "http://terminology.hl7.org/CodeSystem/observation-category", "survey", true),
		bulkToken("code", "http://snomed.info/sct", fmt.Sprint(n%40), true),
		bulkToken("combo-code", "http://snomed.info/sct", fmt.Sprint(n%40), true),
		bulkDate("date", at),
		{Param: "value-quantity", Kind: store.Quantity, System: "http://unitsofmeasure.org", Value: "{score}", Low: store.Ordered(float64(n % 40)), High: store.Ordered(float64(n % 40))},
	}
}

// BenchmarkBulk commits new resources a thousand at a time, as an import does;
// an operation is one resource.
func BenchmarkBulk(b *testing.B) {
	const size = 1000
	for _, clients := range []int{1, 4} {
		b.Run(fmt.Sprint("clients=", clients), func(b *testing.B) {
			s := open(b, b.TempDir())
			var commits []store.Commit
			for n := 0; n < b.N; {
				c := store.Commit{Audit: []audit.Entry{benchEntry("import")}}
				for ; n < b.N && len(c.Writes) < size; n++ {
					c.Writes = append(c.Writes, bulkWrite(int64(n)))
				}
				commits = append(commits, c)
			}
			total := b.N
			perResource(b, total, len(commits), clients, func(n int) error {
				_, err := s.Commit(context.Background(), commits[n])
				return err
			})
		})
	}
}

// perResource runs do for 0 to n-1 from so many goroutines, and reports the
// processor time for each of the resources.
func perResource(b *testing.B, resources, n, clients int, do func(n int) error) {
	next := make(chan int)
	errs := make(chan error, clients)
	cpu, start := cpuTime(), time.Now()
	b.ResetTimer()
	for range clients {
		go func() {
			var err error
			for i := range next {
				if err == nil {
					err = do(i)
				}
			}
			errs <- err
		}()
	}
	for i := range n {
		next <- i
	}
	close(next)
	for range clients {
		if err := <-errs; err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(resources)/time.Since(start).Seconds(), "resources/s")
	b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/1e3/float64(resources), "cpu-µs/resource")
}

// BenchmarkLoad loads what BenchmarkBulk commits, a thousand records at a time.
func BenchmarkLoad(b *testing.B) {
	const size = 1000
	s := open(b, b.TempDir())
	var calls [][]store.Record
	for n := 0; n < b.N; {
		var rs []store.Record
		for ; n < b.N && len(rs) < size; n++ {
			w := bulkWrite(int64(n))
			rs = append(rs, store.Record{Version: &store.VersionRecord{Index: w.Index, Version: store.Version{
				Key: w.Key, Number: 1, Updated: w.Updated, Body: w.Body, Access: w.Access, Seq: int64(len(calls) + 1),
			}}})
		}
		calls = append(calls, rs)
	}
	perResource(b, b.N, len(calls), 1, func(n int) error { return s.Load(context.Background(), calls[n]) })
}

// BenchmarkDump reads what is stored.
func BenchmarkDump(b *testing.B) {
	s := benchStore(b)
	cpu, versions := cpuTime(), 0
	b.ResetTimer()
	for range b.N {
		err := s.Dump(context.Background(), func(r store.Record) error {
			if r.Version != nil {
				versions++
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/1e3/float64(versions), "cpu-µs/resource")
}

// BenchmarkReindex makes the index of what is stored anew.
func BenchmarkReindex(b *testing.B) {
	s := benchStore(b)
	cpu := cpuTime()
	b.ResetTimer()
	for range b.N {
		_, _, err := s.Reindex(context.Background(), "", benchStored+1, func(string, []byte) ([]store.Index, error) {
			return benchCommit(7).Writes[0].Index, nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/1e3/float64(b.N*benchStored), "cpu-µs/resource")
}
