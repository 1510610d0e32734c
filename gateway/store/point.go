package store

import (
	"math"
	"strconv"
)

// PointScale is how many parts of a degree a Point counts in: about a
// centimetre.
const PointScale = 10_000_000

// cellSizes are the edges, in degrees, of the squares that a Point is indexed
// by.
var cellSizes = [...]float64{0.05, 0.5, 5}

// maxCells is how many squares a match may look into.
const maxCells = 64

// Cells returns the squares in which a Point lies, one of each size: what a
// store indexes it by.
func (e Index) Cells() []string {
	out := make([]string, len(cellSizes))
	for i, size := range cellSizes {
		out[i] = cell(i, row(float64(e.Low)/PointScale, size), wrap(row(float64(e.High)/PointScale, size), size))
	}
	return out
}

// Cells returns squares of one size that cover the match's circle; nil when it
// is too large for that.
func (m Match) Cells() []string {
	lat, lon := float64(m.Low)/PointScale, float64(m.High)/PointScale
	dLat := m.Radius / metresPerDegree
	shrink := math.Cos(min(math.Abs(lat)+dLat, 90) * math.Pi / 180)
	if shrink < 0.01 { // around a pole
		return nil
	}
	dLon := dLat / shrink
	for i, size := range cellSizes {
		south, north := row(lat-dLat, size), row(lat+dLat, size)
		west, east := row(lon-dLon, size), row(lon+dLon, size)
		if (north-south+1)*(east-west+1) > maxCells {
			continue
		}
		var out []string
		for y := south; y <= north; y++ {
			for x := west; x <= east; x++ {
				out = append(out, cell(i, y, wrap(x, size)))
			}
		}
		return out
	}
	return nil
}

func row(degrees, size float64) int { return int(math.Floor(degrees / size)) }

// wrap brings a column of squares back from beyond the date line.
func wrap(x int, size float64) int {
	around := int(math.Round(360 / size))
	return (x+around/2+around)%around - around/2
}

func cell(size, y, x int) string {
	return strconv.Itoa(size) + ":" + strconv.Itoa(y) + ":" + strconv.Itoa(x)
}

const (
	earthRadius     = 6_371_000 // metres
	metresPerDegree = earthRadius * math.Pi / 180
)

// holdsPoint measures along the great circle (haversine).
func (m Match) holdsPoint(e Index) bool {
	rad := func(v int64) float64 { return float64(v) / PointScale * math.Pi / 180 }
	lat1, lat2 := rad(m.Low), rad(e.Low)
	a := square(math.Sin((lat2-lat1)/2)) + math.Cos(lat1)*math.Cos(lat2)*square(math.Sin((rad(e.High)-rad(m.High))/2))
	return 2*earthRadius*math.Asin(math.Sqrt(min(a, 1))) <= m.Radius
}

func square(x float64) float64 { return x * x }
