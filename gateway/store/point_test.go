package store

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func degrees(d float64) int64 { return int64(math.Round(d * PointScale)) }

func TestPointHolds(t *testing.T) {
	tests := []struct {
		what                 string
		lat, lon, eLat, eLon float64
		metres               float64 // the distance, about
	}{
		{"the same", 51.5, -0.1, 51.5, -0.1, 0},
		{"a degree of latitude", 0, 0, 1, 0, 111_195},
		{"a degree of longitude at the equator", 0, 0, 0, 1, 111_195},
		{"a degree of longitude in the north", 60, 0, 60, 1, 55_597},
		{"across the date line", 0, 179.99, 0, -179.99, 2224},
		{"the date line is one line", 10, 180, 10, -180, 0},
		{"across the pole", 89.99, 0, 89.99, 180, 2224},
		{"a pole is one place", 90, 0, 90, 123, 0},
		{"the other side", 0, 0, 0, 180, 20_015_087},
		{"London to Paris", 51.5074, -0.1278, 48.8566, 2.3522, 343_556},
	}
	for _, tt := range tests {
		m := Match{Low: degrees(tt.lat), High: degrees(tt.lon)}
		e := Index{Low: degrees(tt.eLat), High: degrees(tt.eLon)}
		for radius, want := range map[float64]bool{tt.metres + 2: true, tt.metres - 2: false} {
			if m.Radius = radius; m.Holds(Point, e) != want {
				t.Errorf("%s: within %.0f m: %t, want %t", tt.what, radius, !want, want)
			}
		}
	}
}

func TestCells(t *testing.T) {
	for _, tt := range []struct{ lat, lon float64 }{{0, 0}, {51.5, -0.1}, {-90, -180}, {90, 180}, {0, 179.9999999}} {
		if got := (Index{Low: degrees(tt.lat), High: degrees(tt.lon)}).Cells(); len(got) != len(cellSizes) {
			t.Errorf("%v: squares %v, want one of each size", tt, got)
		}
	}
	for _, tt := range []struct {
		what             string
		lat, lon, metres float64
		covered          bool
	}{
		{"a kilometre", 51.5, -0.1, 1000, true}, {"fifty", 51.5, -0.1, 50_000, true}, {"five hundred", 51.5, -0.1, 500_000, true}, {"two thousand", 51.5, -0.1, 2_000_000, false},
		{"half the world", 0, 0, 1e7, false}, {"a pole", 90, 0, 1000, false}, {"near a pole", 89.9, 0, 1000, false}, {"no distance", 0, 0, 0, true},
	} {
		got := (Match{Low: degrees(tt.lat), High: degrees(tt.lon), Radius: tt.metres}).Cells()
		if (len(got) > 0) != tt.covered || len(got) > maxCells {
			t.Errorf("%s: %d squares, want some: %t", tt.what, len(got), tt.covered)
		}
		if s := slices.Sorted(slices.Values(got)); len(slices.Compact(s)) != len(got) {
			t.Errorf("%s: a square is named twice", tt.what)
		}
	}
}

// covers checks that what a match holds for lies in one of its squares.
func covers(t *testing.T, m Match, e Index) {
	t.Helper()
	cells := m.Cells()
	if cells == nil || !m.Holds(Point, e) {
		return
	}
	for _, c := range e.Cells() {
		if slices.Contains(cells, c) {
			return
		}
	}
	t.Errorf("%d, %d is within %g m of %d, %d and in none of its squares", e.Low, e.High, m.Radius, m.Low, m.High)
}

func TestCellsCover(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	edges := []float64{0, 180, -180, 179.99, -179.99, 0.05, 5}
	for range 50_000 {
		m := Match{Low: degrees(rnd.Float64()*178 - 89), High: degrees(rnd.Float64()*360 - 180), Radius: math.Pow(10, rnd.Float64()*6.5)}
		if rnd.IntN(3) == 0 {
			m.High = degrees(edges[rnd.IntN(len(edges))])
		}
		// Somewhere in or about the circle, often at its edge.
		lat, lon := float64(m.Low)/PointScale, float64(m.High)/PointScale
		away, bearing := m.Radius/metresPerDegree*(0.9+rnd.Float64()*0.1), rnd.Float64()*2*math.Pi
		lat2, lon2 := destination(lat, lon, away, bearing)
		covers(t, m, Index{Low: degrees(lat2), High: degrees(lon2)})
		covers(t, m, Index{Low: degrees(lat2), High: degrees(edges[rnd.IntN(len(edges))])})
		if t.Failed() {
			return
		}
	}
}

// destination goes so many degrees along a great circle.
func destination(lat, lon, away, bearing float64) (float64, float64) {
	const rad = math.Pi / 180
	sin, cos := math.Sincos(away * rad)
	lat2 := math.Asin(min(max(math.Sin(lat*rad)*cos+math.Cos(lat*rad)*sin*math.Cos(bearing), -1), 1))
	lon2 := lon*rad + math.Atan2(math.Sin(bearing)*sin*math.Cos(lat*rad), cos-math.Sin(lat*rad)*math.Sin(lat2))
	return lat2 / rad, math.Remainder(lon2/rad, 360)
}

func FuzzCells(f *testing.F) {
	f.Add(degrees(0), degrees(180), degrees(0), degrees(-180), 1000.0)
	f.Add(degrees(51.5), degrees(-0.1), degrees(51.6), degrees(-0.1), 12_000.0)
	f.Fuzz(func(t *testing.T, lat, lon, eLat, eLon int64, radius float64) {
		for _, v := range []int64{lat, eLat, lon / 2, eLon / 2} {
			if v < -90*PointScale || v > 90*PointScale {
				return
			}
		}
		if math.IsNaN(radius) || math.Abs(radius) > 1e9 {
			return
		}
		covers(t, Match{Low: lat, High: lon, Radius: radius}, Index{Low: eLat, High: eLon})
	})
}

func BenchmarkCells(b *testing.B) {
	m := Match{Low: degrees(51.5), High: degrees(-0.1), Radius: 10_000}
	for b.Loop() {
		_ = m.Cells()
	}
}
