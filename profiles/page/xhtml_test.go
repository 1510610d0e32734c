package page

import "testing"

func TestXHTML(t *testing.T) {
	tests := []struct{ in, want string }{
		{"# A & B\n\ntext\nmore\n", "<h1>A &amp; B</h1><p>text more</p>"},
		{"#no heading", "<p>#no heading</p>"},
		{"- a\n- b\n  c\n", "<ul><li>a</li><li>b c</li></ul>"},
		{"* **bold** and *slanted*\n", "<ul><li><b>bold</b> and <i>slanted</i></li></ul>"},
		{"1. one\n2. two\n", "<ol><li>one</li><li>two</li></ol>"},
		{"before\n- a", "<p>before</p><ul><li>a</li></ul>"},
		{"| a | b |\n|---|---|\n| `x \\| y` | 1 |\n", "<table><tr><th>a</th><th>b</th></tr><tr><td><code>x | y</code></td><td>1</td></tr></table>"},
		{"|  |  |\n|---|---|\n| k | v |\n", "<table><tr><td>k</td><td>v</td></tr></table>"}, // no empty head
		{"[FHIR](http://hl7.org/fhir/R4/)", `<p><a href="http://hl7.org/fhir/R4/">FHIR</a></p>`},
		{"[page](a.md)", `<p><a href="a.md">page</a></p>`},
		{"[x](javascript:alert)", "<p>[x](javascript:alert)</p>"}, // never a link that runs
		{`[x](https://a"onclick=)`, "<p>[x](https://a&quot;onclick=)</p>"},
		{"<script>", "<p>&lt;script&gt;</p>"},
		{`\*not slanted\* and \<`, "<p>*not slanted* and &lt;</p>"},
		{"2 * 3 and `open", "<p>2 * 3 and `open</p>"},
		{"**open", "<p>**open</p>"},
		{"a\x01b", "<p>a b</p>"},
	}
	for _, tt := range tests {
		want := `<div xmlns="http://www.w3.org/1999/xhtml">` + tt.want + "</div>"
		if got := xhtml(tt.in); got != want {
			t.Errorf("%q:\n got %s\nwant %s", tt.in, got, want)
		}
	}
}
