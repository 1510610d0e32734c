package profiles

import (
	"strings"
	"testing"
)

func div(s string) string { return `<div xmlns="http://www.w3.org/1999/xhtml">` + s + `</div>` }

func TestNarrative(t *testing.T) {
	tests := []struct{ in, rule string }{
		{div("text"), ""},
		{div(`<p class="a" style="color: red">a &amp; b &#233; &nbsp;<br/></p><img src="a.png" alt="x"/>`), ""},
		{div(`<table><tr><td colspan="2">x</td></tr></table><a href="https://a.example/?q=1#x" title='y'>z</a>`), ""},
		{div(`<img src="data:image/png;base64,AAAA"/>`), ""},
		{div(`<!-- note --> x`), ""},
		{" " + div("x") + "\n", ""},
		{div(`<span style="background: url(bg.png)">x</span>`), ""},
		{div(""), "txt-2"},
		{div(" <p> \n</p> "), "txt-2"},
		{"", "txt-1"},
		{"text", "txt-1"},
		{"<div>no namespace</div>", "txt-1"},
		{`<p xmlns="http://www.w3.org/1999/xhtml">x</p>`, "txt-1"},
		{`<div xmlns="http://www.w3.org/2000/svg">x</div>`, "txt-1"},
		{div("x") + div("y"), "txt-1"},
		{div("x") + "y", "txt-1"},
		{div("<script>alert(1)</script>"), "txt-1"},
		{div("<SCRIPT>alert(1)</SCRIPT>"), "txt-1"},
		{div(`<p onclick="x()">a</p>`), "txt-1"},
		{div(`<p ONCLICK="x()">a</p>`), "txt-1"},
		{div(`<a href="javascript:x()">a</a>`), "txt-1"},
		{div(`<a href="JaVaScRiPt:x()">a</a>`), "txt-1"},
		{div(`<a href="java&#115;cript:x()">a</a>`), "txt-1"},
		{div(`<a href="&#106;avascript&colon;x()">a</a>`), "txt-1"},
		{div("<a href=\"java\tscript:x()\">a</a>"), "txt-1"},
		{div(`<a href="data:text/html,x">a</a>`), "txt-1"},
		{div(`<img src="data:image/svg+xml,x"/>`), "txt-1"},
		{div(`<form action="x"><input/></form>`), "txt-1"},
		{div(`<iframe src="x"/>`), "txt-1"},
		{div(`<link rel="stylesheet" href="x"/>`), "txt-1"},
		{div(`<style>a{}</style>`), "txt-1"},
		{div(`<object data="x"/>`), "txt-1"},
		{div(`<p style="background: url(javascript:x)">a</p>`), "txt-1"},
		{div(`<p style="width: expression(x)">a</p>`), "txt-1"},
		{div(`<p style="@import 'x'">a</p>`), "txt-1"},
		{div(`<p style="w\69dth: 1">a</p>`), "txt-1"},
		{div("<p>a</b>"), "txt-1"},
		{div("<p>a"), "txt-1"},
		{div("a < b"), "txt-1"},
		{div("a & b"), "txt-1"},
		{div("<p class=a>x</p>"), "txt-1"},
		{div("<p class>x</p>"), "txt-1"},
		{div(`<p class="a"id="b">x</p>`), "txt-1"},
		{div("<![CDATA[x]]>"), "txt-1"},
		{`<?xml version="1.0"?>` + div("x"), "txt-1"},
		{"<!DOCTYPE div>" + div("x"), "txt-1"},
		{div("<!-- open"), "txt-1"},
		{div("<!--><script>alert(1)</script>-->x"), "txt-1"},
		{div("<!-- --!><script>alert(1)</script> -->x"), "txt-1"},
		{div("&hidden;"), "txt-1"},
		{div("&#0;"), "txt-1"},
		{div("&#xd800;"), "txt-1"},
		{div("&#x1F600;"), ""},
		{div("&#x;"), "txt-1"},
		{div("&colon"), "txt-1"},
		{div(`<p class="a" class="b">x</p>`), "txt-1"},
		{div(`<p src="x">x</p>`), "txt-1"},
		{div(`<p href="x">x</p>`), "txt-1"},
		{div("a ]]> b"), "txt-1"},
		{div("a \x01 b"), "txt-1"},
		{div(strings.Repeat("<b>", 1000) + "x" + strings.Repeat("</b>", 1000)), "txt-1"},
		{div(strings.Repeat("x", maxNarrative)), "txt-1"},
		{div(strings.Repeat("<b>", 100) + "x" + strings.Repeat("</b>", 100)), ""},
	}
	for _, tt := range tests {
		if rule, expect := checkNarrative(tt.in); rule != tt.rule || (rule == "") != (expect == "") {
			t.Errorf("%s\n got %q (%s), want %q", tt.in, rule, expect, tt.rule)
		}
	}
}

// FuzzNarrative checks that nothing accepted holds what a browser would run.
func FuzzNarrative(f *testing.F) {
	f.Add(div(`<p class="a">x &amp; y</p><img src='z'/>`))
	f.Add(div(`<a href="https://x">y</a><!-- z -->`))
	f.Fuzz(func(t *testing.T, s string) {
		if rule, _ := checkNarrative(s); rule != "" {
			return
		}
		low := strings.ToLower(s)
		for _, bad := range []string{"<script", "<iframe", "<form", "<object", "<style", "<link"} {
			if i := strings.Index(low, bad); i >= 0 && !strings.Contains(low[:i], "=") {
				t.Errorf("accepted %q", s)
			}
		}
	})
}
