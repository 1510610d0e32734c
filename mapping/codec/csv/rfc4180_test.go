package csv

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestRFC4180 holds the seven rules of RFC 4180, section 2, in our own words,
// and what this package adds to them.
func TestRFC4180(t *testing.T) {
	tests := []struct {
		rule, in string
		want     []string
		issues   string
	}{
		{"1: one record a line, lines end with CRLF", "id,name\r\n1,a\r\n2,b\r\n", []string{"1|a", "2|b"}, ""},
		{"2: the last line may do without its end", "id,name\r\n1,a\r\n2,b", []string{"1|a", "2|b"}, ""},
		{"3: the first line names the fields; a file without such a line is refused", "1,a\r\n2,b\r\n", nil, "missing"},
		{"4: every line has as many fields as the first", "id,name\r\n1\r\n2,b,c\r\n3,d\r\n", []string{"!", "!", "3|d"}, ""},
		{"4: spaces belong to the field", "id,name\r\n 1 , a b \r\n", []string{" 1 | a b "}, ""},
		{"4: a comma at the end is one more field, empty", "id,name\r\n1,\r\n,\r\n", []string{"1|", "|"}, ""},
		{"5: a field may be quoted or not", "id,name\r\n\"1\",\"a\"\r\n2,\"b\"\r\n", []string{"1|a", "2|b"}, ""},
		{"5: without quotes, a quotation mark has no place", "id,name\r\n1,a\"b\"\r\n2,c\r\n", []string{"!", "2|c"}, ""},
		{"5: nothing stands behind the closing quotation mark", "id,name\r\n1,\"a\" \r\n2,c\r\n", []string{"!", "2|c"}, ""},
		{"6: line breaks, quotation marks and commas stand in quotes", "id,name\r\n1,\"a\r\nb\"\r\n2,\"c,d\"\r\n3,\"e\nf\"\r\n", []string{"1|a\r\nb", "2|c,d", "3|e\nf"}, ""},
		{"7: a quotation mark in quotes is doubled", "id,name\r\n1,\"a\"\"b\"\r\n2,\"\"\"\"\r\n3,\"\"\r\n", []string{"1|a\"b", "2|\"", "3|"}, ""},
		{"LF alone ends a line too", "id,name\n1,a\n", []string{"1|a"}, ""},
		{"CR alone does not", "id,name\n1,a\rb\n", []string{"1|a\rb"}, ""},
		{"a byte order mark says UTF-8, and then all of it is", "\xef\xbb\xbfid,name\n1,\xe9\n2,é\n", []string{"!", "2|é"}, ""},
		{"characters with which spreadsheets begin a formula are kept", "id,name,note\n=1+1,+a,-b\n@c,\"\t=d\",e\n", []string{"=1+1|+a|-b", "@c|\t=d|e"}, ""},
		{"an unknown column is named and its cells are read", "id,size\n1,a\n", []string{"1|a"}, "header, size"},
		{"two columns of one name refuse the file", "id,name,NAME\n1,a,b\n", nil, "same name as column 2"},
	}
	for _, tt := range tests {
		got, issues := rows(strings.NewReader(tt.in))
		if text := fmt.Sprint(issues); !slices.Equal(got, tt.want) || !strings.Contains(text, tt.issues) || (tt.issues == "") != (len(issues) == 0) {
			t.Errorf("%s: %q, %s; want %q, %q", tt.rule, got, text, tt.want, tt.issues)
		}
	}
}

// TestFormulas holds that what is written keeps them too: it is for machines.
func TestFormulas(t *testing.T) {
	if got := string(AppendRow(nil, []string{"=1+1", "-2", " x", ""})); got != "=1+1,-2,\" x\",\r\n" {
		t.Errorf("got %q", got)
	}
}
