package bench

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// A client is a system registered at the gateway.
type client struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
}

// register adds a client as an operator would.
func register(ctx context.Context, exe, data, mongo, id, role, org string) (client, error) {
	var c client
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, "client", "add", id, "--role", role, "--org", org, "--data", data) //nolint:gosec // our own program
	cmd.Env = environment(mongo)
	cmd.SysProcAttr = childAttr()
	out, err := cmd.Output()
	if err != nil {
		text := ""
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			text = ": " + strings.TrimSpace(string(exit.Stderr))
		}
		return c, fmt.Errorf("register a client: %w%s", err, text)
	}
	if err := json.Unmarshal(out, &c); err != nil || c.ID == "" || c.Secret == "" {
		return c, errors.New("register a client: the command did not print its id and secret")
	}
	return c, nil
}

// tokenRequest asks for everything that the client's role allows.
func (c client) tokenRequest(host string) []byte {
	return call{method: "POST", path: "/oauth2/token", host: host, header: map[string]string{
		"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(c.ID+":"+c.Secret)),
		"Content-Type":  "application/x-www-form-urlencoded",
	}, body: []byte("grant_type=client_credentials&scope=system%2F*.cruds")}.request()
}

// token gets an access token. A client counts within a second of its
// registration, so the first refusals are tried again.
func (c client) token(ctx context.Context, addr string) (string, error) {
	cn := conn{addr: addr}
	defer cn.close()
	var last string
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		a, err := cn.call(ctx, c.tokenRequest(addr))
		if err == nil && a.status == 200 {
			return readToken(a.body)
		}
		last = describe(a, err)
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	return "", fmt.Errorf("get a token: %s", last)
}

func readToken(body []byte) (string, error) {
	var t struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &t); err != nil || t.Token == "" {
		return "", errors.New("get a token: the answer has none")
	}
	return t.Token, nil
}
