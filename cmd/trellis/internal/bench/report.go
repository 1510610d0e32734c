package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// A Row is one measured figure. Zero means not measured.
type Row struct {
	ID   string `json:"id"`
	What string `json:"what"`
	// Value is the figure itself and Unit what it counts: "/s", "ms", "µs",
	// "MB".
	Value float64 `json:"value,omitzero"`
	Unit  string  `json:"unit"`
	// CPU is the gateway's processor time per unit of work and OwnCPU the
	// generator's, in milliseconds.
	CPU    float64 `json:"cpuMs,omitzero"`
	OwnCPU float64 `json:"generatorCpuMs,omitzero"`
	// P50 and P99 are the times within which half and 99 % of the requests
	// were answered, in milliseconds.
	P50 float64 `json:"p50Ms,omitzero"`
	P99 float64 `json:"p99Ms,omitzero"`
	// Allocs is the number of allocations per operation.
	Allocs float64 `json:"allocations,omitzero"`
	// Done counts the units of work that went well, Failed those that did not;
	// Failure is what the first of them was answered.
	Done    int    `json:"done,omitzero"`
	Failed  int    `json:"failed,omitzero"`
	Failure string `json:"firstFailure,omitzero"`

	Targets []Target `json:"targets,omitzero"`
	// Reached is nil when there is no target or it could not be measured.
	Reached *bool `json:"reached,omitzero"`
	// Missing says why nothing was measured.
	Missing string `json:"missing,omitzero"`
}

// A Target is a bound on one figure of a row.
type Target struct {
	// Of is the figure: "value", "cpu", "p99" or "allocations".
	Of      string  `json:"of"`
	AtLeast float64 `json:"atLeast,omitzero"`
	AtMost  float64 `json:"atMost,omitzero"`
}

// A Report is what a run found.
type Report struct {
	Rows []Row `json:"rows"`
	// Notes say under what circumstances.
	Notes []string `json:"notes"`
}

// judge decides whether the row's targets are reached. A figure that was not
// measured leaves it open, unless another one misses already.
func (r *Row) judge() {
	if len(r.Targets) == 0 || r.Missing != "" {
		return
	}
	reached, open := r.Failed == 0, false
	for _, t := range r.Targets {
		v := r.figure(t.Of)
		open = open || v == 0
		if v != 0 && (v < t.AtLeast || t.AtMost > 0 && v > t.AtMost) {
			reached = false
		}
	}
	if reached && open {
		return
	}
	r.Reached = &reached
}

func (r *Row) figure(of string) float64 {
	switch of {
	case "cpu":
		return r.CPU
	case "p99":
		return r.P99
	case "allocations":
		return r.Allocs
	}
	return r.Value
}

// Table writes the report for people.
func (rep Report) Table(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "what\tmeasured\tCPU/op\tp50\tp99\tgenerator\ttarget\treached")
	for _, r := range rep.Rows {
		fmt.Fprintln(tw, strings.Join(r.cells(), "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	var b strings.Builder
	for _, r := range rep.Rows {
		if r.Failed > 0 {
			fmt.Fprintf(&b, "\n%s: %s failed; the first was answered: %s\n", r.What, grouped(float64(r.Failed)), r.Failure)
		}
		if r.Missing != "" {
			fmt.Fprintf(&b, "\n%s: not measured: %s\n", r.What, r.Missing)
		}
	}
	b.WriteByte('\n')
	for _, n := range rep.Notes {
		b.WriteString(n + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// JSON writes the report for programs.
func (rep Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(rep)
}

func (r *Row) cells() []string {
	measured := "not measured"
	if r.Missing == "" {
		measured = figure(r.Value, r.Unit)
		if r.Allocs > 0 {
			measured += ", " + grouped(r.Allocs) + " allocations"
		}
		if r.Failed > 0 {
			measured += ", " + grouped(float64(r.Failed)) + " FAILED"
		}
	}
	reached := ""
	if r.Reached != nil {
		reached = map[bool]string{true: "yes", false: "NO"}[*r.Reached]
	}
	return []string{r.What, measured, milliseconds(r.CPU), milliseconds(r.P50), milliseconds(r.P99),
		milliseconds(r.OwnCPU), r.target(), reached}
}

func (r *Row) target() string {
	parts := make([]string, 0, len(r.Targets))
	for _, t := range r.Targets {
		sign, v := "≤ ", t.AtMost
		if t.AtLeast > 0 {
			sign, v = "≥ ", t.AtLeast
		}
		switch t.Of {
		case "cpu":
			parts = append(parts, sign+short(v)+" ms CPU")
		case "p99":
			parts = append(parts, "p99 "+sign+short(v)+" ms")
		case "allocations":
			parts = append(parts, sign+grouped(v)+" allocations")
		default:
			parts = append(parts, sign+figure(v, r.Unit))
		}
	}
	return strings.Join(parts, ", ")
}

func figure(v float64, unit string) string {
	switch unit {
	case "/s":
		return grouped(v) + "/s"
	case "":
		return grouped(v)
	}
	return short(v) + " " + unit
}

func milliseconds(v float64) string {
	if v == 0 {
		return ""
	}
	return short(v) + " ms"
}

// short shows about three digits.
func short(v float64) string {
	switch {
	case v >= 100:
		return grouped(v)
	case v >= 10:
		return trim(strconv.FormatFloat(v, 'f', 1, 64))
	case v >= 1:
		return trim(strconv.FormatFloat(v, 'f', 2, 64))
	}
	return trim(strconv.FormatFloat(v, 'f', 3, 64))
}

func trim(s string) string {
	if strings.Contains(s, ".") {
		return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// grouped shows a whole number with its thousands apart: 12,345.
func grouped(v float64) string {
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
