package terminology

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	"trellis.example/fhir"
	"trellis.example/profiles/terminology"
)

// answerOf reads the result of $validate-code. No counts only where the server
// says that it knows the value set and the system.
func answerOf(r reply) terminology.Answer {
	result, unknown := "", false
	for p := range r.res.Root().Get("parameter").Items() {
		switch p.Get("name").Text() {
		case "result":
			result = p.Get("valueBoolean").Text()
		case "x-unknown-system", "x-caused-by-unknown-system", "x-caused-by-not-found":
			unknown = true
		case "issues":
			for is := range p.At("resource", "issue").Items() {
				for d := range is.At("details", "coding").Items() {
					unknown = unknown || d.Get("code").Text() == "not-found"
				}
			}
		}
	}
	switch {
	case result == "true":
		return terminology.Yes
	case result == "false" && !unknown:
		return terminology.No
	}
	return terminology.Unknown
}

// ask sends one question and reads the answer, when it is the server's turn.
func (c *Client) ask(ctx context.Context, path string, params []object, limit int64) (reply, error) {
	if params == nil { // there is nothing that a server could be asked
		return reply{}, nil
	}
	body, err := json.Marshal(object{"resourceType": "Parameters", "parameter": params})
	if err != nil {
		return reply{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	r, err := c.executor.WithContext(ctx).Get(func() (reply, error) { return c.post(ctx, path, body, limit) })
	if err != nil {
		c.count("away")
		return reply{}, fmt.Errorf("ask the terminology server: %w", err)
	}
	return r, nil
}

// errAnswer is the text of answers that are none.
var errAnswer = errors.New("the answer is not FHIR")

func (c *Client) post(ctx context.Context, path string, body []byte, limit int64) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.URL+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	req.Header.Set("Accept", "application/fhir+json")
	if c.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.cfg.Token.Reveal())
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusNotImplemented:
		io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) //nolint:errcheck // so that the connection can be used again
		return reply{status: resp.StatusCode}, nil                // the server does not know
	default:
		return reply{}, fmt.Errorf("status %d", resp.StatusCode)
	}
	return read(resp, limit)
}

func read(resp *http.Response, limit int64) (reply, error) {
	typ, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || typ != "application/fhir+json" && typ != "application/json" {
		return reply{}, errAnswer
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return reply{}, err
	}
	if int64(len(b)) > limit {
		return reply{}, fmt.Errorf("the answer is larger than %d bytes", limit)
	}
	res, err := fhir.Decode(b)
	if err != nil {
		return reply{}, errAnswer
	}
	return reply{resp.StatusCode, res}, nil
}
