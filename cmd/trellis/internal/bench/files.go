package bench

import (
	"bytes"
	"context"
	"strings"
)

// longRows is how many rows a long file has: enough that the rows decide, and few
// enough that a slow machine answers in time.
const longRows = 2000

// fileTarget is that of rows to committed and audited; see importTarget.
func fileTarget() []Target { return targets(atLeast(5000), most("cpu", 2e3/5000)) }

// measureFile sends long files whose rows are a document's row, one file after
// the other.
func measureFile(path, name string, from func(*session) client) runner {
	return func(ctx context.Context, s *session, row *Row) error {
		b, err := document(name)
		if err != nil {
			return err
		}
		token, err := s.token(ctx, from(s))
		if err != nil {
			return err
		}
		head, line, _ := strings.Cut(string(b), "\n")
		persons := s.persons
		l := load{clients: 1, limit: maxRequests / longRows, judge: allTaken}
		l.requests = func(int) func(int64) []byte {
			return func(n int64) []byte {
				body := []byte(head + "\n")
				for i := range int64(longRows) {
					at := n*longRows + i
					body = append(body, strings.NewReplacer(numberMark, number(at, len(numberMark)), nhsMark, persons[at%int64(len(persons))]).Replace(line)...)
				}
				return call{method: "POST", path: path, host: s.gateway.http, token: token,
					header: map[string]string{"Content-Type": "text/csv"}, body: body}.request()
			}
		}
		return s.load(ctx, row, l)
	}
}

// allTaken counts the rows of a long file that were created. A row with several
// remarks has several lines.
func allTaken(_ int64, a answer) (done, failed int) {
	last := ""
	for line := range bytes.Lines(a.body) {
		cells := strings.SplitN(string(line), ",", 4)
		if len(cells) == 4 && cells[0] != last && cells[2] == "created" {
			done, last = done+1, cells[0]
		}
	}
	return done, longRows - done
}
