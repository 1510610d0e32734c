package archive

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"

	"trellis.example/gateway/store"
)

// maxLine bounds a line: an original is the largest thing in it.
const maxLine = 512 << 20

// A Writer writes a backup. Begin comes first, End last.
type Writer struct {
	z      *zstd.Encoder
	hash   hash.Hash
	counts Counts
}

// NewWriter returns a writer of a backup to w.
func NewWriter(w io.Writer) (*Writer, error) {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest))
	return &Writer{z: z, hash: sha256.New()}, err
}

// Begin writes the header.
func (w *Writer) Begin(m store.Mark, software string) error {
	return w.line(line{Header: &Header{Format: format, Seq: m.Seq, At: m.At.UTC(), Software: software}})
}

// Add writes a record.
func (w *Writer) Add(r store.Record) error {
	w.counts.add(r)
	return w.line(toLine(r))
}

// End writes the trailer and returns what the backup holds.
func (w *Writer) End() (Trailer, error) {
	t := Trailer{Counts: w.counts, SHA256: hex.EncodeToString(w.hash.Sum(nil))}
	return t, errors.Join(w.line(line{End: &t}), w.z.Close())
}

func (w *Writer) line(l line) error {
	b, err := encode(l)
	if err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	w.hash.Write(b)
	if _, err := w.z.Write(b); err != nil {
		return fmt.Errorf("write the backup: %w", err)
	}
	return nil
}

// errDamaged reports a file that is no whole backup.
var errDamaged = errors.New("the file is no whole backup")

// A Reader reads a backup.
type Reader struct {
	Header Header
	// Trailer is set once the end was read.
	Trailer Trailer

	z      *zstd.Decoder
	in     *bufio.Reader
	hash   hash.Hash
	counts Counts
	n      int
}

// NewReader reads the header of a backup. Close the reader when done.
func NewReader(r io.Reader) (*Reader, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderMaxMemory(1<<30))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	out := &Reader{z: z, in: bufio.NewReaderSize(z, 1<<20), hash: sha256.New()}
	l, _, err := out.line()
	if err == nil && l.Header == nil {
		err = errDamaged
	}
	if err == nil && l.Header.Format > format {
		err = fmt.Errorf("the backup has format %d and this program knows %d: use the newer program that wrote it", l.Header.Format, format)
	}
	if err != nil {
		out.Close()
		return nil, err
	}
	out.Header = *l.Header
	return out, nil
}

// Close frees what the reader holds.
func (r *Reader) Close() { r.z.Close() }

// Next returns the next record; io.EOF after the last one of a whole backup.
func (r *Reader) Next() (store.Record, error) {
	l, n, err := r.line()
	if err != nil {
		return store.Record{}, err
	}
	if l.End != nil {
		return store.Record{}, r.end(*l.End)
	}
	rec, err := l.record()
	if err != nil {
		return rec, fmt.Errorf("%w: line %d: %w", errDamaged, n, err)
	}
	r.counts.add(rec)
	return rec, nil
}

// end checks the trailer against what was read.
func (r *Reader) end(t Trailer) error {
	if t.SHA256 != hex.EncodeToString(r.hash.Sum(nil)) || t.Counts != r.counts {
		return fmt.Errorf("%w: its content does not have the hash that it names", errDamaged)
	}
	if _, err := r.in.ReadByte(); err != io.EOF {
		return fmt.Errorf("%w: something follows its end", errDamaged)
	}
	r.Trailer = t
	return io.EOF
}

func (r *Reader) line() (l line, n int, err error) {
	r.n++
	b, err := readLine(r.in)
	if errors.Is(err, io.EOF) {
		return l, r.n, fmt.Errorf("%w: it was cut off at line %d", errDamaged, r.n)
	}
	if err != nil {
		return l, r.n, fmt.Errorf("%w: line %d: %w", errDamaged, r.n, err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil {
		return l, r.n, fmt.Errorf("%w: line %d cannot be read", errDamaged, r.n)
	}
	if l.End == nil {
		r.hash.Write(b)
	}
	return l, r.n, nil
}

// readLine reads to the end of a line, at most maxLine bytes.
func readLine(in *bufio.Reader) ([]byte, error) {
	var out []byte
	for {
		part, err := in.ReadSlice('\n')
		out = append(out, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return out, err
		}
		if len(out) > maxLine {
			return nil, errors.New("a line is too long")
		}
	}
}

func parseKey(s string) (store.Key, bool) {
	typ, id, ok := strings.Cut(s, "/")
	return store.Key{Type: typ, ID: id}, ok && typ != "" && id != ""
}
