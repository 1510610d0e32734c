package directory

import (
	"strings"
	"testing"
)

func TestParseFeed(t *testing.T) {
	tests := []struct {
		in, url string
		version int
	}{
		{in: "https://d.example/openreferral/v3/", url: "https://d.example/openreferral/v3", version: 3},
		{in: "v1:https://d.example/o", url: "https://d.example/o", version: 1},
		{in: "d.example"}, {in: "ftp://d.example"}, {in: "https://u:p@d.example"}, {in: "https://d.example?x=1"}, {in: ""},
	}
	for _, tt := range tests {
		f, err := ParseFeed(tt.in)
		if (err != nil) != (tt.url == "") || err == nil && (f.URL != tt.url || f.Version != tt.version) {
			t.Errorf("ParseFeed(%q) = %+v, %v", tt.in, f, err)
		}
	}
}

func TestNearby(t *testing.T) {
	x := &index{centres: map[string]*centre{}}
	x.centre(&site{lat: 54, long: -1, known: true, postcode: "ZZ11AA"})
	x.centre(&site{lat: 56, long: -1, known: true, postcode: "ZZ12AA"})
	x.centre(&site{lat: 100, long: 101, known: true, postcode: "ZZ11AA"}) // no place on Earth
	for code, want := range map[string]float64{"ZZ11AA": 54, "ZZ11ZZ": 54, "ZZ19ZZ": 55} {
		if lat, _, ok := x.where(code); !ok || lat != want {
			t.Errorf("where(%s) = %v, %t; want %v", code, lat, ok, want)
		}
	}
	if _, _, ok := x.where("ZZ111AA"); ok {
		t.Error("another district is found")
	}
	if m := metres(54, -1, 55, -1); m < 111_000 || m > 111_400 {
		t.Errorf("a degree of latitude is %v m", m)
	}
}

// FuzzList holds for any page: no panic, bounded ids, and no value in an error.
func FuzzList(f *testing.F) {
	f.Add([]byte(`{"total_items":1,"total_pages":1,"last_page":true,"contents":[{"id":"a"}]}`))
	f.Add([]byte(`{"totalElements":"1","totalPages":1,"last":true,"content":[{"id":1502},{"id":{}},null,7]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, nameless, err := list(b)
		if err != nil {
			if err != errEnvelope && err != errNumbers { //nolint:errorlint // these and no other
				t.Errorf("another error: %v", err)
			}
			return
		}
		for _, it := range l.items {
			if it.ID == "" || len(it.ID) > maxID || len(it.Hash) != 24 || strings.TrimSpace(it.Hash) == "" {
				t.Errorf("item %+v", it)
			}
		}
		if nameless < 0 || l.pages < 0 || l.total < 0 {
			t.Errorf("%+v", l)
		}
	})
}
