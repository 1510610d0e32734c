package hl7v2

import (
	"os"
	"testing"
)

func BenchmarkRead(b *testing.B) {
	f, err := open()
	if err != nil {
		b.Fatal(err)
	}
	f = f.With(Options{ImpliedConsent: true})
	doc, err := os.ReadFile("testdata/refer/in.hl7")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if res := f.Read(doc); res.Records[0].Bundle == nil {
			b.Fatal("refused")
		}
	}
}

func BenchmarkAck(b *testing.B) {
	doc, err := os.ReadFile("testdata/refer/in.hl7")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if BuildAck(doc, AA, nil, noon, "T1") == nil {
			b.Fatal("no answer")
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := open(); err != nil {
			b.Fatal(err)
		}
	}
}
