package server

import (
	"io"
	"net/http"
	"time"
)

// longPiece is how much of a long body must arrive within the time that other
// bodies have as a whole, in bytes.
const longPiece = 1 << 20

// A longBody is a body that may take longer than others, as long as it goes on
// arriving. Once it is there whole its reader may take its time.
type longBody struct {
	io.ReadCloser
	rc     *http.ResponseController
	within time.Duration
	piece  int // bytes read of the present piece
}

// Read reads some of the body.
func (b *longBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.piece += n
	switch {
	case err != nil:
		_ = b.rc.SetReadDeadline(time.Time{})
		_ = b.rc.SetWriteDeadline(time.Now().Add(longWork))
	case b.piece >= longPiece:
		b.piece = 0
		_ = b.rc.SetReadDeadline(time.Now().Add(b.within))
	}
	return n, err
}

// longWork is how long the answer to a long body may be worked on.
const longWork = time.Hour
