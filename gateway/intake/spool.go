package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"syscall"

	"trellis.example/fhir"
	"trellis.example/gateway/audit"
	"trellis.example/gateway/rest"
	"trellis.example/gateway/store"
)

const (
	// defaultMaxFile bounds a batch file, in bytes, unless Deps.MaxFile does.
	defaultMaxFile = 1 << 30
	// partSize is that of the originals that a larger file is kept as. A file
	// that is no larger is one original under its own hash.
	partSize = 8 << 20
)

// originalKind is the kind of the docs that list the parts of a large file, by
// the file's hash.
const originalKind = "original"

// A source is a file that has been received whole and can be read again.
type source struct {
	io.ReaderAt
	size            int64
	hash, mediaType string
}

func (s source) reader() io.Reader { return io.NewSectionReader(s, 0, s.size) }

// A scratch is a temporary file without a name: it is gone with the process,
// however that ends.
type scratch struct{ *os.File }

func (in *Intake) scratch() (scratch, error) {
	f, err := os.CreateTemp(in.Spool, "trellis-intake-*")
	if err != nil {
		return scratch{}, noRoom(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return scratch{}, errors.Join(err, f.Close())
	}
	return scratch{f}, nil
}

// noRoom says what trouble with temporary files means to the sender.
func noRoom(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return &fhir.Error{Status: http.StatusInsufficientStorage, Issues: []fhir.Issue{{Code: fhir.Transient,
			Text: "there is no room for the file at the moment, and nothing of it was taken; send it again later"}}}
	}
	return fmt.Errorf("spool a file: %w", err)
}

// spool receives the body into a temporary file: nothing of it is worked on
// before it is there whole.
func (in *Intake) spool(r *http.Request, mediaType string) (source, scratch, error) {
	f, err := in.scratch()
	if err != nil {
		return source{}, f, err
	}
	sum := sha256.New()
	limit := in.MaxFile
	if limit == 0 {
		limit = defaultMaxFile
	}
	n, err := rest.CopyBody(io.MultiWriter(f, sum), r, int(limit))
	if err != nil {
		if w, ok := errors.AsType[*rest.ErrWrite](err); ok {
			err = noRoom(w)
		}
		return source{}, f, errors.Join(err, f.Close())
	}
	return source{f, n, hex.EncodeToString(sum.Sum(nil)), mediaType}, f, nil
}

// inMemory is a source of bytes.
func inMemory(body []byte, mediaType string) source {
	return source{bytes.NewReader(body), int64(len(body)), original(body, mediaType).Hash, mediaType}
}

// parts calls do with each part of the file, as the originals it is kept as.
func (s source) parts(do func(store.Blob) error) error {
	buf := make([]byte, min(s.size, partSize))
	for at := int64(0); at == 0 || at < s.size; at += partSize {
		n := min(s.size-at, partSize)
		if _, err := s.ReadAt(buf[:n], at); err != nil && !errors.Is(err, io.EOF) {
			return noRoom(err)
		}
		if err := do(original(buf[:n], s.mediaType)); err != nil {
			return err
		}
	}
	return nil
}

// A kept file is what its doc says: the originals it lies in, in their order.
type keptFile struct {
	Type  string   `json:"type"`
	Size  int64    `json:"size"`
	Parts []string `json:"parts"`
}

// keep stores the file, byte for byte, and returns the originals it lies in.
// Each is a commit of its own, so that a large file holds up nobody.
func (in *Intake) keep(ctx context.Context, src source, entry audit.Entry) ([]string, error) {
	k := keptFile{Type: src.mediaType, Size: src.size}
	err := src.parts(func(b store.Blob) error {
		k.Parts = append(k.Parts, b.Hash)
		b.Data = bytes.Clone(b.Data)
		_, err := in.Store.Commit(ctx, store.Commit{Originals: []store.Blob{b}, Audit: []audit.Entry{entry}})
		return err
	})
	if err != nil || len(k.Parts) == 1 {
		return k.Parts, err
	}
	body, _ := json.Marshal(k) // strings and a number: never fails
	_, err = in.Store.Commit(ctx, store.Commit{Docs: []store.DocWrite{{Kind: originalKind, ID: src.hash, Body: body}}})
	if _, there := errors.AsType[*store.Conflict](err); there {
		err = nil // it was kept before
	}
	return k.Parts, err
}

// Original writes a document or file as it was received to w, by the hash that
// Provenance names. The caller has audited the disclosure. store.ErrNotFound
// when there is none.
func (in *Intake) Original(ctx context.Context, hash string, w io.Writer) error {
	k := keptFile{Parts: []string{hash}}
	doc, err := in.Store.Doc(ctx, originalKind, hash)
	if err == nil {
		err = json.Unmarshal(doc.Body, &k)
	} else if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	for _, part := range k.Parts {
		if err != nil {
			return err
		}
		var b store.Blob
		if b, err = in.Store.Blob(ctx, part); err == nil {
			_, err = w.Write(b.Data)
		}
	}
	return err
}
