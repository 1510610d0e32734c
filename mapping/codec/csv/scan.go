package csv

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// The ways in which a row can be broken.
var (
	errQuote = errors.New("a quotation mark stands inside a cell that is not quoted, or text follows a quoted cell")
	errOpen  = errors.New("a quoted cell is not closed before the file ends")
	errLong  = errors.New("the row is longer than 1 MiB or has more than 1000 cells")
)

// A scanner splits a file into rows and cells.
type scanner struct {
	r    *bufio.Reader
	row  []byte // the cells of the row, unquoted, one after the other
	ends []int  // where each cell ends in row
}

// next reads one row that is not blank. It returns io.EOF at the end, one of
// the errors above for a broken row (the next call goes on behind it), or the
// reader's own error.
func (s *scanner) next() error {
	for {
		err := s.scan()
		if err != nil || len(s.row) > 0 || len(s.ends) > 1 {
			return err
		}
	}
}

func (s *scanner) scan() error {
	s.row, s.ends = s.row[:0], s.ends[:0]
	for {
		if s.plain(",\"\n"); len(s.row) > MaxRow {
			return s.skip(errLong)
		}
		c, err := s.r.ReadByte()
		switch {
		case err == io.EOF && len(s.row) == 0 && len(s.ends) == 0:
			return io.EOF
		case err == io.EOF:
			s.end()
			return nil
		case err != nil:
			return err
		case c == '"' && s.empty():
			done, err := s.quoted()
			if done || err != nil {
				return err
			}
		case c == ',':
			s.end()
		case c == '\n':
			s.newline()
			return nil
		case c == '"':
			return s.skip(errQuote)
		default:
			s.row = append(s.row, c)
		}
		if len(s.row) > MaxRow || len(s.ends) > MaxColumns {
			return s.skip(errLong)
		}
	}
}

// plain takes what is read already up to a byte of stop, at most as far as a
// row may go and one byte more.
func (s *scanner) plain(stop string) {
	b, _ := s.r.Peek(s.r.Buffered())
	b = b[:min(len(b), MaxRow+1-len(s.row))]
	if n := bytes.IndexAny(b, stop); n >= 0 {
		b = b[:n]
	}
	s.row = append(s.row, b...)
	_, _ = s.r.Discard(len(b))
}

// empty reports whether nothing of the current cell has been read.
func (s *scanner) empty() bool {
	return len(s.ends) == 0 && len(s.row) == 0 || len(s.ends) > 0 && s.ends[len(s.ends)-1] == len(s.row)
}

func (s *scanner) end() { s.ends = append(s.ends, len(s.row)) }

// newline ends the row; a CR before the LF belongs to the line end.
func (s *scanner) newline() {
	if !s.empty() && bytes.HasSuffix(s.row, []byte{'\r'}) {
		s.row = s.row[:len(s.row)-1]
	}
	s.end()
}

// quoted reads a quoted cell up to its comma or line end; done says that the
// row ended with it.
func (s *scanner) quoted() (done bool, err error) {
	for {
		if s.plain("\""); len(s.row) > MaxRow {
			return true, s.skip(errLong)
		}
		c, err := s.r.ReadByte()
		if err == io.EOF {
			return true, errOpen
		}
		if err != nil {
			return true, err
		}
		if c != '"' {
			if s.row = append(s.row, c); len(s.row) > MaxRow {
				return true, s.skip(errLong)
			}
			continue
		}
		c, err = s.r.ReadByte()
		if err == nil && c == '\r' {
			if c, err = s.r.ReadByte(); err == nil && c != '\n' {
				return true, s.skip(errQuote)
			}
		}
		switch {
		case err == io.EOF:
			s.end()
			return true, nil
		case err != nil:
			return true, err
		case c == '"':
			s.row = append(s.row, '"')
		case c == ',':
			s.end()
			return false, nil
		case c == '\n':
			s.end()
			return true, nil
		default:
			return true, s.skip(errQuote)
		}
	}
}

// skip reads on to the end of the line, so that the next row starts clean.
func (s *scanner) skip(broken error) error {
	for {
		_, err := s.r.ReadSlice('\n')
		switch {
		case err == nil, err == io.EOF:
			return broken
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}
