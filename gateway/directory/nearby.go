package directory

import (
	"math"

	"github.com/google/uuid"
)

// taxonomyID is the id of a taxonomy, which feeds know by name only.
func taxonomyID(name string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://trellis.example/openreferral/taxonomy/"+name)).String()
}

// centre adds a place to the centres of its postcode, sector and district.
func (x *index) centre(s *site) {
	if !s.known || s.postcode == "" || math.Abs(s.lat) > 90 || math.Abs(s.long) > 180 {
		return
	}
	for _, area := range areas(s.postcode) {
		c := x.centres[area]
		if c == nil {
			c = &centre{}
			x.centres[area] = c
		}
		c.lat, c.long, c.n = c.lat+s.lat, c.long+s.long, c.n+1
	}
}

// areas are a postcode, its sector and its district: "ZZ11AA", "ZZ1 1", "ZZ1".
func areas(code string) [3]string {
	district := code[:len(code)-3]
	return [3]string{code, district + " " + code[len(code)-3:len(code)-2], district + " "}
}

// where is the middle of the places that the directory itself knows in a
// postcode, else in its sector, else in its district.
func (x *index) where(code string) (lat, long float64, ok bool) {
	for _, area := range areas(code) {
		if c := x.centres[area]; c != nil {
			return c.lat / float64(c.n), c.long / float64(c.n), true
		}
	}
	return 0, 0, false
}

// metres is the distance between two places on a sphere of the Earth's mean
// radius.
func metres(lat1, long1, lat2, long2 float64) float64 {
	const radius, degree = 6_371_000, math.Pi / 180
	a := math.Pow(math.Sin((lat2-lat1)*degree/2), 2) + math.Cos(lat1*degree)*math.Cos(lat2*degree)*math.Pow(math.Sin((long2-long1)*degree/2), 2)
	return 2 * radius * math.Asin(math.Min(1, math.Sqrt(a)))
}
