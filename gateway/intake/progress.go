package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"trellis.example/gateway/audit"
	"trellis.example/gateway/store"
	"trellis.example/mapping/csvresult"
)

// The kinds of the docs that remember how far a file came, and the lines of its
// result.
const (
	fileKind   = "intake-file"
	resultKind = "intake-result"
)

// A progress is how far a sender's file came. It is stored with every group of
// rows, in the same commit.
type progress struct {
	// Pass counts how often the file was taken in from its beginning.
	Pass int `json:"pass"`
	// Rows are done, in Groups pieces of the result; Taken of them were not
	// rejected.
	Rows   int `json:"rows"`
	Groups int `json:"groups"`
	Taken  int `json:"taken"`
	// Head holds the lines of the result about the file itself.
	Head     string `json:"head,omitempty"`
	Finished bool   `json:"finished,omitempty"`
}

// fileID names a sender's file.
func (in *Intake) fileID(s Sender, format, hash string) string {
	return in.id("file", s.Owner(), format, hash)
}

func resultID(file string, pass, group int) string {
	return fmt.Sprintf("%s/%d/%d", file, pass, group)
}

// progressOf returns how far the file came; false when it is not known.
func (in *Intake) progressOf(ctx context.Context, file string) (p progress, version int, known bool, err error) {
	doc, err := in.Store.Doc(ctx, fileKind, file)
	if errors.Is(err, store.ErrNotFound) {
		return p, 0, false, nil
	}
	if err != nil {
		return p, 0, false, err
	}
	return p, doc.Version, true, json.Unmarshal(doc.Body, &p)
}

// lines writes the stored lines of the result to w.
func (in *Intake) lines(ctx context.Context, file string, p progress, w io.Writer) error {
	for g := range p.Groups {
		doc, err := in.Store.Doc(ctx, resultKind, resultID(file, p.Pass, g))
		if err != nil {
			return fmt.Errorf("read the result of an earlier part of the file: %w", err)
		}
		if _, err := w.Write(doc.Body); err != nil {
			return noRoom(err)
		}
	}
	return nil
}

// header is the first line of a result file.
func header() []byte { return csvresult.Append(nil, nil) }

// Result answers GET /intake/{format}/results/{hash}: the result of the file with
// that SHA-256 which the sender has sent; 202 with the rows so far when the file
// is on its way, or was cut off and waits to be sent again.
func (in *Intake) Result(ctx context.Context, s Sender, format, hash string) (Answer, error) {
	if _, err := in.sent(s, format); err != nil {
		return Answer{}, err
	}
	file := in.fileID(s, format, strings.ToLower(hash))
	p, _, known, err := in.progressOf(ctx, file)
	if err == nil && !known {
		err = store.ErrNotFound
	}
	if err != nil {
		return Answer{}, err
	}
	out, err := in.scratch()
	if err != nil {
		return Answer{}, err
	}
	if err := errors.Join(in.lines(ctx, file, p, out), in.auditResult(ctx, format)); err != nil {
		return Answer{}, errors.Join(err, out.Close())
	}
	a, err := resultFile([]byte(p.Head), out)
	a.Header.Set("Trellis-Rows", strconv.Itoa(p.Rows))
	if !p.Finished {
		a.Status = http.StatusAccepted
	}
	return a, err
}

func (in *Intake) auditResult(ctx context.Context, format string) error {
	e := audit.NewEntry(ctx, in.Clock().UTC(), audit.Read, "intake-"+format)
	_, err := in.Store.Commit(ctx, store.Commit{Audit: []audit.Entry{e}})
	return err
}

// resultFile is the answer that streams a result: the header, the lines about the
// file and those of its rows.
func resultFile(head []byte, rows scratch) (Answer, error) {
	head = append(header(), head...)
	size, err := rows.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = rows.Seek(0, io.SeekStart)
	}
	a := Answer{Status: http.StatusOK, Type: CSV, Header: http.Header{"Content-Disposition": {`attachment; filename="result.csv"`}}}
	if size <= smallResult && err == nil {
		b := make([]byte, size)
		_, err = io.ReadFull(rows, b)
		a.Body = append(head, b...)
		return a, errors.Join(err, rows.Close())
	}
	a.Content = content{io.MultiReader(strings.NewReader(string(head)), rows), rows}
	a.Size = int64(len(head)) + size
	return a, err
}

// smallResult is the size in bytes up to which a result is answered from memory.
const smallResult = 1 << 20

type content struct {
	io.Reader
	io.Closer
}
