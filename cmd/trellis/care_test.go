package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func must(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := trellis(t, "", args...)
	if code != 0 {
		t.Fatalf("trellis %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// records writes n Patients as NDJSON.
func records(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "patients.ndjson")
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"resourceType":"Patient","id":"p%d","active":true,"identifier":[{"system":"https://x.example/id","value":"%d"}],"name":[{"family":"Person%d"}]}`+"\n", i, i, i)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// numbers reads the last line of JSON that a command printed.
func numbers(t *testing.T, out string) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var m map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &m); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return m
}

func TestCareOfTheData(t *testing.T) {
	data, dir := filepath.Join(t.TempDir(), "data"), t.TempDir()
	if got := numbers(t, must(t, "import", records(t, 2500), "--org", "Y99001", "--data", data)); got["created"] != 2500.0 || got["refused"] != 0.0 {
		t.Fatalf("import: %v", got)
	}
	must(t, "client", "add", "worker", "--role", "link-worker", "--org", "Z9D01", "--data", data)
	if got := numbers(t, must(t, "verify", "--data", data)); got["faults"] != 0.0 || got["resources"] != 2500.0 {
		t.Errorf("verify: %v", got)
	}
	file := filepath.Join(dir, "all.backup")
	if got := numbers(t, must(t, "backup", file, "--data", data)); got["counts"].(map[string]any)["resources"] != 2500.0 {
		t.Errorf("backup: %v", got)
	}
	if code, _, errs := trellis(t, "", "backup", file, "--data", data); code != exitFailed || !strings.Contains(errs, "already") {
		t.Errorf("a backup over another: exit %d, %s", code, errs)
	}
	must(t, "verify", file)
	restored := filepath.Join(dir, "restored")
	must(t, "restore", file, "--data", restored)
	if got := numbers(t, must(t, "verify", "--data", restored)); got["faults"] != 0.0 || got["resources"] != 2500.0 {
		t.Errorf("verify the restored: %v", got)
	}
	copied := filepath.Join(dir, "copied")
	must(t, "copy", "--data", restored, "--to-data", copied)
	if got := numbers(t, must(t, "reindex", "--data", copied)); got["resources"] != 2500.0 {
		t.Errorf("reindex: %v", got)
	}
	if got := numbers(t, must(t, "migrate", "--data", copied)); got["indexed"] != true || got["schema"] != got["newest"] {
		t.Errorf("migrate: %v", got)
	}
	one, two := numbers(t, must(t, "verify", "--data", data)), numbers(t, must(t, "verify", "--data", copied))
	if fmt.Sprint(one) != fmt.Sprint(two) {
		t.Errorf("the copy holds %v, the original %v", two, one)
	}
	if !strings.Contains(must(t, "client", "list", "--data", copied), "worker") {
		t.Error("the copy has lost a client")
	}
}

func TestCareRefuses(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	must(t, "import", records(t, 10), "--org", "Y99001", "--data", data)
	bad := filepath.Join(t.TempDir(), "bad.backup")
	if err := os.WriteFile(bad, []byte("no backup"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"verify", "--data", t.TempDir()}, "there is no store"},
		{[]string{"verify", bad}, "no whole backup"},
		{[]string{"restore", bad, "--data", filepath.Join(t.TempDir(), "new")}, "no whole backup"},
		{[]string{"restore", bad, "--until", "yesterday", "--data", t.TempDir()}, "--until is"},
		{[]string{"copy", "--data", data}, "--to-data or --to-mongo"},
		{[]string{"copy", "--data", data, "--to-data", data + "/"}, "into itself"},
		{[]string{"import", records(t, 1), "--data", data}, "--org"},
		{[]string{"reindex", "--data", data, "--listen", "127.0.0.1:0"}, "--public-url"},
	}
	for _, tt := range tests {
		if code, _, errs := trellis(t, "", tt.args...); code != exitFailed || !strings.Contains(errs, tt.want) {
			t.Errorf("trellis %s: exit %d, %q; want %q", strings.Join(tt.args, " "), code, errs, tt.want)
		}
	}
}

// TestRestoreIntoAStoreThatIsNotEmpty must change nothing there.
func TestRestoreIntoAStoreThatIsNotEmpty(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	must(t, "import", records(t, 10), "--org", "Y99001", "--data", one)
	must(t, "import", records(t, 20), "--org", "Y99002", "--data", two)
	file := filepath.Join(dir, "one.backup")
	must(t, "backup", file, "--data", one)
	if code, _, errs := trellis(t, "", "restore", file, "--data", two); code != exitFailed {
		t.Errorf("exit %d, %s", code, errs)
	}
	if got := numbers(t, must(t, "verify", "--data", two)); got["faults"] != 0.0 || got["resources"] != 20.0 {
		t.Errorf("the store holds %v", got)
	}
}

func TestImportReportsLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mixed.ndjson")
	if err := os.WriteFile(path, []byte("{\"resourceType\":\"Patient\",\"id\":\"a\",\"active\":true}\n{\"resourceType\":\"Patient\",\"id\":\"b\",\"gender\":\"Smith\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := trellis(t, "", "import", path, "--org", "Y99001", "--data", filepath.Join(t.TempDir(), "data"))
	if code != exitFaults || !strings.Contains(errs, "line 2: Patient.gender") || strings.Contains(errs, "Smith") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if got := numbers(t, out); got["created"] != 1.0 || got["refused"] != 1.0 {
		t.Errorf("%v", got)
	}
}

// TestImportGoesOnAfterAKill kills an import several times and lets the last run
// end: every line is stored once.
func TestImportGoesOnAfterAKill(t *testing.T) {
	n := 25_000
	if testing.Short() {
		n = 10_000
	}
	path, data := records(t, n), filepath.Join(t.TempDir(), "data")
	args := []string{"import", path, "--org", "Y99001", "--data", data}
	killed := 0
	for _, after := range []time.Duration{120, 250, 400} {
		ctx, cancel := context.WithTimeout(t.Context(), after*time.Millisecond)
		cmd := exec.CommandContext(ctx, os.Args[0], args...)
		cmd.Env = append(os.Environ(), asMain+"=1")
		if err := cmd.Run(); err != nil {
			killed++
		}
		cancel()
	}
	got := numbers(t, must(t, args...))
	if got["created"] != float64(n) || got["updated"] != 0.0 || got["unchanged"] != 0.0 || got["lines"] != float64(n) {
		t.Errorf("after %d kills: %v, want each of %d lines created once", killed, got, n)
	}
	if v := numbers(t, must(t, "verify", "--data", data)); v["faults"] != 0.0 || v["resources"] != float64(n) || v["versions"] != float64(n) {
		t.Errorf("verify: %v", v)
	}
	if killed == 0 {
		t.Log("no run was slow enough to be killed")
	}
}

// TestBackupWhileServing takes a backup beside a gateway that serves.
func TestBackupWhileServing(t *testing.T) {
	data := t.TempDir()
	must(t, "import", records(t, 500), "--org", "Y99001", "--data", data)
	p := serve(t, data)
	defer p.kill(t)
	file := filepath.Join(t.TempDir(), "live.backup")
	must(t, "backup", file, "--data", data)
	if got := numbers(t, must(t, "verify", file)); got["resources"] != 500.0 || got["faults"] != 0.0 {
		t.Errorf("%v", got)
	}
	must(t, "reindex", "--data", data)
	if code, _, errs := trellis(t, "", "import", records(t, 1), "--org", "Y99001", "--data", data); code != exitFailed || errs == "" {
		t.Errorf("an import beside a gateway that serves: exit %d, %s", code, errs)
	}
}

// TestImportKeepsDefinitions: nobody writes over what the gateway publishes, and
// a fault without a place is said without one.
func TestImportKeepsDefinitions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "definitions.ndjson")
	lines := `{"resourceType":"OperationDefinition","id":"validate","url":"https://x.example/validate","name":"V","status":"draft","kind":"operation","code":"validate","system":false,"type":true,"instance":false}` + "\nnot JSON\n"
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := trellis(t, "", "import", path, "--org", "Y99001", "--data", filepath.Join(t.TempDir(), "data"))
	if code != 1 || numbers(t, out)["refused"] != 2.0 || !strings.Contains(errs, "own definitions") || strings.Contains(errs, ": :") {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
}

// TestBackupThatWasStopped: what is left of a backup that was killed is not
// written over, and the next one says what to do.
func TestBackupThatWasStopped(t *testing.T) {
	data, file := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "all.backup")
	must(t, "import", records(t, 1), "--org", "Y99001", "--data", data)
	if err := os.WriteFile(file+".part", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := trellis(t, "", "backup", file, "--data", data); code != exitFailed || !strings.Contains(errs, "remove it") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
