package mllp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// The bytes of a frame.
const (
	startBlock = 0x0b
	endBlock   = 0x1c
	endFrame   = 0x0d
)

// What [Server.Reject] is told about a frame that could not be answered.
var (
	ErrNoStart  = errors.New("mllp: a frame begins with 0x0B")
	ErrNested   = errors.New("mllp: a new frame began before the end of the last")
	ErrBadEnd   = errors.New("mllp: 0x1C must be followed by 0x0D")
	ErrTooLarge = errors.New("mllp: the message is larger than allowed")
	ErrCut      = errors.New("mllp: the connection ended inside a frame")
	ErrTimeout  = errors.New("mllp: the message did not arrive in time")
	ErrInternal = errors.New("mllp: internal error")
)

// waitStart reads up to the beginning of a frame. Line ends between frames are
// passed over, since many senders write them. It returns io.EOF when the peer
// closed between frames.
func waitStart(r *bufio.Reader) error {
	for {
		c, err := r.ReadByte()
		switch {
		case err != nil:
			return err
		case c == startBlock:
			return nil
		case c != '\r' && c != '\n':
			return ErrNoStart
		}
	}
}

// readBlock reads the message after the start of a frame, at most limit bytes,
// and the end of the frame. With an error it returns what it read, so that the
// sender can be told which message failed.
func readBlock(r *bufio.Reader, limit int) ([]byte, error) {
	var msg []byte
	for {
		part, err := r.ReadSlice(endBlock)
		if err == nil {
			part = part[:len(part)-1]
		}
		if len(msg)+len(part) > limit {
			return append(msg, part[:limit-len(msg)]...), ErrTooLarge
		}
		msg = append(msg, part...)
		switch {
		case bytes.IndexByte(part, startBlock) >= 0:
			return msg[:bytes.IndexByte(msg, startBlock)], ErrNested
		case err == nil:
			return msg, readEnd(r)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		}
		return msg, cut(err)
	}
}

func readEnd(r *bufio.Reader) error {
	c, err := r.ReadByte()
	if err != nil {
		return cut(err)
	}
	if c != endFrame && c != '\n' { // some senders end every line, and the frame, with LF
		return ErrBadEnd
	}
	return nil
}

func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return ErrCut
	}
	return err
}

// frame returns the message framed.
func frame(msg []byte) []byte {
	b := make([]byte, 0, len(msg)+3)
	b = append(append(b, startBlock), msg...)
	return append(b, endBlock, endFrame)
}
