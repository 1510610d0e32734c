package codec

import "testing"

func steps(names ...string) []Step {
	var out []Step
	for _, n := range names {
		out = append(out, Step{Name: n})
	}
	return out
}

func TestDoc(t *testing.T) {
	d := NewDoc()
	a := d.Add(Root, Step{Name: "a"}, "x")
	l0 := d.Add(Root, Step{Name: "l", Repeats: true}, "0")
	l1 := d.Add(Root, Step{Name: "l", Repeats: true}, "1")
	b := d.Add(a, Step{Name: "b"}, "y")
	if d.Find(Root, steps("a", "b")) != b || d.Find(Root, steps("a", "c")) != None || d.Child(Root, "l") != l0 || d.NextSame(l0) != l1 || d.NextSame(l1) != None {
		t.Error("nodes are not where they were added")
	}
	if d.Element(l1) != 1 || d.Element(l0) != 0 || d.Leaf(a) != None || d.Leaf(b) != b || d.Parent(b) != a {
		t.Error("wrong kin")
	}
	if d.Reset(); d.Len() != 1 || d.First(Root) != None {
		t.Error("Reset leaves something")
	}
}

// TestPositional holds that PID-7, PID-7.1 and PID-7.1.1 are one leaf, read and
// made.
func TestPositional(t *testing.T) {
	d := NewDoc()
	d.Positional = true
	pid := d.Add(Root, Step{Name: "PID"}, "")
	f5 := d.Add(pid, Step{Name: "5"}, "")
	c1 := d.Add(f5, Step{Name: "1"}, "Family")
	f7 := d.Add(pid, Step{Name: "7"}, "1948")
	for _, p := range [][]string{{"PID", "7"}, {"PID", "7", "1"}, {"PID", "7", "1", "1"}} {
		if got := d.Leaf(d.Find(Root, steps(p...))); got != f7 {
			t.Errorf("%v is node %d, want %d", p, got, f7)
		}
	}
	if got := d.Leaf(d.Find(Root, steps("PID", "5"))); got != c1 {
		t.Errorf("PID-5 is node %d, want %d", got, c1)
	}
	if got := d.Find(Root, steps("PID", "7", "2")); got != None {
		t.Errorf("PID-7.2 is node %d", got)
	}
}

func TestMake(t *testing.T) {
	d := NewDoc()
	d.Positional = true
	d.Set(d.Make(Root, steps("PID", "5")), "Family", Text)
	d.Set(d.Make(Root, steps("PID", "5", "2")), "Given", Text)
	tests := []struct {
		path []string
		want string
	}{
		{[]string{"PID", "5"}, "Family"},
		{[]string{"PID", "5", "1"}, "Family"},
		{[]string{"PID", "5", "1", "1"}, "Family"},
		{[]string{"PID", "5", "2"}, "Given"},
	}
	for _, tt := range tests {
		if got := d.Text(d.Leaf(d.Find(Root, steps(tt.path...)))); got != tt.want {
			t.Errorf("%v is %q, want %q", tt.path, got, tt.want)
		}
	}
	if got := d.Make(Root, steps("PID", "5")); d.Text(got) != "Family" {
		t.Error("Make made a second leaf")
	}
}
