package fhir

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits on what a stranger may send.
const (
	// MaxResource is the largest resource, in bytes, that either store keeps.
	MaxResource = 4 << 20
	// MaxDepth is the deepest nesting of objects and arrays.
	MaxDepth = 64
	// MaxNodes is the largest number of values in one document.
	MaxNodes = 1 << 20
)

// Parse reads one JSON document strictly: UTF-8, no duplicate names, no lone
// surrogates, no trailing data, at most [MaxDepth] deep. It keeps b; the caller
// must not modify it afterwards. Faults are *Error with code invalid, or
// too-long when b is larger than limit bytes.
func Parse(b []byte, limit int) (*Tree, error) {
	if len(b) > limit {
		return nil, Errorf(TooLong, "the document is larger than %d bytes", limit)
	}
	if bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) {
		return nil, Errorf(Invalid, "the document starts with a byte order mark; send plain UTF-8")
	}
	p := parser{src: b, nodes: make([]node, 0, len(b)/20+8)}
	p.dec, _ = decoders.Get().(*jsontext.Decoder)
	p.dec.Reset(bytes.NewBuffer(b))
	err := p.document()
	p.dec.Reset(new(bytes.Buffer)) // the pool must not hold documents
	decoders.Put(p.dec)
	if err != nil {
		return nil, err
	}
	return &Tree{src: b, nodes: p.nodes}, nil
}

// decoders keeps the decoders' own tables of names between documents.
var decoders = sync.Pool{New: func() any { return jsontext.NewDecoder(new(bytes.Buffer)) }}

type parser struct {
	src   []byte
	dec   *jsontext.Decoder
	nodes []node
}

type open struct{ node, last int32 }

func (p *parser) document() error {
	var stackArray [MaxDepth + 1]open
	stack := stackArray[:0]
	var keyStart, keyEnd uint32
	keyEscaped, haveKey := false, false
	for {
		tok, err := p.dec.ReadToken()
		if errors.Is(err, io.EOF) && len(stack) == 0 && len(p.nodes) > 0 {
			return nil
		}
		if err != nil {
			return p.fault(err)
		}
		end := uint32(p.dec.InputOffset())
		k := tok.Kind()
		if k == '}' || k == ']' {
			top := stack[len(stack)-1]
			p.nodes[top.node].end = end
			stack = stack[:len(stack)-1]
			continue
		}
		if len(stack) == 0 && len(p.nodes) > 0 {
			return Errorf(Invalid, "there is data after the end of the document")
		}
		if k == '"' && !haveKey && len(stack) > 0 && p.nodes[stack[len(stack)-1].node].kind == Object {
			s := p.stringStart(end)
			keyStart, keyEnd, haveKey = s+1, end-1, true
			keyEscaped = bytes.IndexByte(p.src[keyStart:keyEnd], '\\') >= 0
			continue
		}
		n := node{end: end, next: -1, parent: -1, keyStart: keyStart, keyEnd: keyEnd, keyEscaped: keyEscaped}
		switch k {
		case '{', '[':
			n.kind, n.start = Object, end-1
			if k == '[' {
				n.kind = Array
			}
		case '"':
			n.kind, n.start = String, p.stringStart(end)
			n.escaped = bytes.IndexByte(p.src[n.start:n.end], '\\') >= 0
		default:
			n.kind = kindOf(k)
			n.start = p.literalStart(end)
		}
		i := int32(len(p.nodes))
		if len(p.nodes) >= MaxNodes {
			return Errorf(TooLong, "the document has more than %d values", MaxNodes)
		}
		if len(stack) > 0 {
			top := &stack[len(stack)-1]
			n.parent = top.node
			if top.last >= 0 {
				p.nodes[top.last].next = i
			}
			top.last = i
			p.nodes[top.node].count++
		}
		keyStart, keyEnd, keyEscaped, haveKey = 0, 0, false, false
		p.nodes = append(p.nodes, n)
		if k == '{' || k == '[' {
			if len(stack) >= MaxDepth {
				return Errorf(Invalid, "the document is nested deeper than %d levels", MaxDepth)
			}
			stack = append(stack, open{i, -1})
		}
	}
}

// stringStart finds the opening quote of the string token that ends at end.
func (p *parser) stringStart(end uint32) uint32 {
	i := end - 2
	for {
		for p.src[i] != '"' {
			i--
		}
		slashes := uint32(0)
		for i > slashes && p.src[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
		i--
	}
}

// literalStart finds the first byte of the number or literal that ends at end.
func (p *parser) literalStart(end uint32) uint32 {
	i := end
	for i > 0 {
		switch p.src[i-1] {
		case ' ', '\t', '\n', '\r', ',', ':', '[', '{':
			return i
		}
		i--
	}
	return i
}

func kindOf(k jsontext.Kind) Kind {
	switch k {
	case 'n':
		return Null
	case 't', 'f':
		return Bool
	}
	return Number
}

// fault turns a syntax error into an issue that names the place, never the
// content.
func (p *parser) fault(err error) error {
	text := "the document is not valid JSON"
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		text = "a member name occurs twice in one object"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		text = "the document ends early"
	}
	source := ""
	if se, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		line, col := position(p.src, int(se.ByteOffset))
		source = fmt.Sprintf("line %d, column %d", line, col)
		if ptr := safePointer(string(se.JSONPointer)); ptr != "" {
			source += ", " + ptr
		}
	}
	return &Error{Issues: []Issue{{Code: Invalid, Text: text, Source: source}}, cause: err}
}

func safePointer(ptr string) string {
	out := ""
	for s := range bytes.SplitSeq([]byte(ptr), []byte("/")) {
		if len(s) == 0 {
			continue
		}
		name := string(s)
		if name[0] < '0' || name[0] > '9' {
			name = SafeName(name)
		} else if len(name) > 7 {
			name = "?"
		}
		out += "/" + name
	}
	return out
}

// position returns the 1-based line and column (in bytes) of an offset.
func position(b []byte, off int) (line, col int) {
	off = min(off, len(b))
	line = 1 + bytes.Count(b[:off], []byte("\n"))
	return line, off - bytes.LastIndexByte(b[:off], '\n')
}
