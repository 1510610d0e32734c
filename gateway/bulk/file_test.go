package bulk

import (
	"bytes"
	"testing"

	"trellis.example/gateway/store"
)

func TestAppendLine(t *testing.T) {
	tests := []struct{ in, want string }{
		{`{"resourceType":"Patient"}`, `{"resourceType":"Patient"}`},
		{"{\n \"resourceType\": \"Patient\"\r\n}\n", `{  "resourceType": "Patient"  } `},
		{`{"div":"a\nb"}`, `{"div":"a\nb"}`}, // escaped, so no line break
		{"\r\r\n\n", "    "},
		{"", ""},
	}
	for _, tt := range tests {
		doc := []byte(tt.in)
		if got := string(appendLine([]byte("before\n"), doc)); got != "before\n"+tt.want+"\n" || string(doc) != tt.in {
			t.Errorf("appendLine(%q) = %q, document %q", tt.in, got, doc)
		}
	}
}

func TestAppendDeletion(t *testing.T) {
	const want = `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/1"}}]}` + "\n"
	if got := string(appendDeletion(nil, store.Key{Type: "Patient", ID: "1"})); got != want {
		t.Errorf("%s", got)
	}
}

func BenchmarkAppendLine(b *testing.B) {
	doc := bytes.Repeat([]byte("0123456789"), 200)
	out := make([]byte, 0, 4096)
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		out = appendLine(out[:0], doc)
	}
}
