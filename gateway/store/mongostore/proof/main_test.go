package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const passed = `{"Action":"pass","Test":"TestContract/Write/CreateReadBack"}
{"Action":"pass","Test":"TestContract/Write"}
{"Action":"pass","Test":"TestContract"}
{"Action":"skip","Test":"TestFailPoints"}
{"Action":"pass"}
`

func tree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module x\n", "gateway/store/store.go": "package store\n", "gateway/store/mongostore/a.go": "package mongostore\n",
		"gateway/store/mongostore/a_test.go": "package mongostore\n", "docs/proof/README": "",
	} {
		put(t, root, name, text)
	}
	return root
}

func put(t *testing.T, root, name, text string) {
	t.Helper()
	p := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestProof(t *testing.T) {
	root := tree(t)
	if err := writeProof(root, strings.NewReader(passed), proof{Server: "a server", Version: "1"}); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := checkProof(root, &out, true); err != nil || strings.Contains(out.String(), "WARNING") {
		t.Errorf("fresh: %v, %s", err, out.String())
	}
	put(t, root, "gateway/store/mongostore/a_test.go", "package mongostore // changed\n")
	if err := checkProof(root, &out, true); err != nil {
		t.Errorf("after a change of a test: %v", err)
	}
	put(t, root, "gateway/store/mongostore/a.go", "package mongostore // changed\n")
	if err := checkProof(root, &out, false); err != nil || !strings.Contains(out.String(), "WARNING") {
		t.Errorf("stale: %v, %s", err, out.String())
	}
	if err := checkProof(root, &out, true); err == nil {
		t.Error("stale, strict: no error")
	}
}

func TestWriteRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"a failure":   passed + `{"Action":"fail","Test":"TestCrash"}`,
		"no contract": `{"Action":"skip","Test":"TestContract"}`,
		"nothing":     "",
	} {
		if err := writeProof(tree(t), strings.NewReader(in), proof{Server: "s", Version: "1"}); err == nil {
			t.Errorf("%s was recorded", name)
		}
	}
}
