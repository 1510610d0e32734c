package xml

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"trellis.example/mapping/codec"
)

var (
	errCharset = errors.New("the declared encoding is not one of UTF-8, UTF-16, Windows-1252 and ISO-8859-1")
	errByte    = errors.New("the document holds bytes that have no meaning in its encoding")
)

// A source is the bytes of a document as UTF-8, with a limit on how far the
// reader may go.
type source struct {
	r     *bufio.Reader
	read  int64 // bytes handed out
	until int64
	wide  bool // UTF-16
	said  string

	step func([]byte) ([]byte, error) // decodes a few bytes; nil for UTF-8
	rest []byte                       // decoded and not handed out
	buf  []byte
	err  error // what stands behind rest
}

var errLong = errors.New("a record is too long")

// newSource looks at the byte order mark.
func newSource(r io.Reader) *source {
	s := &source{r: bufio.NewReader(r), until: MaxRecord}
	head, _ := s.r.Peek(3)
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, _ = s.r.Discard(3)
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		s.utf16(binary.LittleEndian)
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		s.utf16(binary.BigEndian)
	}
	return s
}

func (s *source) utf16(order binary.ByteOrder) {
	_, _ = s.r.Discard(2)
	s.wide, s.said = true, "UTF-16"
	s.step = func(dst []byte) ([]byte, error) {
		r, err := s.unit(order)
		if err != nil {
			return dst, err
		}
		if utf16.IsSurrogate(r) {
			low, err := s.unit(order)
			if r = utf16.DecodeRune(r, low); err != nil || r == utf8.RuneError {
				return dst, errByte
			}
		}
		return utf8.AppendRune(dst, r), nil
	}
}

// unit reads one code unit of UTF-16.
func (s *source) unit(order binary.ByteOrder) (rune, error) {
	var b [2]byte
	_, err := io.ReadFull(s.r, b[:])
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errByte
	}
	return rune(order.Uint16(b[:])), err
}

// declared takes the encoding of the XML declaration.
func (s *source) declared(name string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(name) {
	case "utf-16":
		if !s.wide {
			return nil, errCharset
		}
		return in, nil
	case "us-ascii":
		return in, nil
	case "windows-1252", "cp1252", "iso-8859-1", "latin1":
		if s.wide {
			return nil, errCharset
		}
		s.said = "Windows-1252"
		return &narrow{in: in}, nil
	}
	return nil, errCharset
}

// Read hands out the document as far as the limit goes.
func (s *source) Read(p []byte) (int, error) {
	room := s.until - s.read
	if room <= 0 {
		return 0, errLong
	}
	p = p[:min(int64(len(p)), room)]
	n, err := s.decoded(p)
	s.read += int64(n)
	return n, err
}

func (s *source) decoded(p []byte) (int, error) {
	if s.step == nil {
		return s.r.Read(p)
	}
	if len(s.rest) == 0 {
		s.buf = s.buf[:0]
		for len(s.buf) < 4096 && s.err == nil {
			s.buf, s.err = s.step(s.buf)
		}
		s.rest = s.buf
	}
	if len(s.rest) == 0 {
		return 0, s.err
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// A narrow reader turns Windows-1252 into UTF-8. ISO-8859-1 is the same but for
// control characters, in whose place partners' systems write Windows-1252.
type narrow struct {
	in        io.Reader
	rest, buf []byte
	raw       [1024]byte
}

func (n *narrow) Read(p []byte) (int, error) {
	for len(n.rest) == 0 {
		size, err := n.in.Read(n.raw[:])
		if size == 0 {
			return 0, err
		}
		ok := false
		if n.buf, ok = codec.AppendWindows1252(n.buf[:0], n.raw[:size]); !ok {
			return 0, errByte
		}
		n.rest = n.buf
	}
	size := copy(p, n.rest)
	n.rest = n.rest[size:]
	return size, nil
}
