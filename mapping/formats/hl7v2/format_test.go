package hl7v2

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestTry(t *testing.T) {
	f, err := New()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(os.Getenv("TRY"))
	if err != nil {
		t.Skip("no TRY")
	}
	res := f.With(Options{ImpliedConsent: true}).Read(b)
	fmt.Printf("faults %+v\n", res.Faults)
	for _, r := range res.Records {
		for _, x := range r.Faults {
			fmt.Printf("FAULT %+v\n", x)
		}
		for _, x := range r.Losses {
			fmt.Printf("LOSS %+v\n", x)
		}
		var v any
		_ = json.Unmarshal(r.Bundle, &v)
		j, _ := json.MarshalIndent(v, "", " ")
		fmt.Println(string(j))
	}
}

func TestTryWrite(t *testing.T) {
	f, err := New()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(os.Getenv("TRY"))
	if err != nil {
		t.Skip("no TRY")
	}
	res := f.With(Options{ImpliedConsent: true}).Read(b)
	w := f.Write(res.Records[0].Bundle)
	for _, x := range w.Faults {
		fmt.Printf("WFAULT %+v\n", x)
	}
	for _, x := range w.Losses {
		fmt.Printf("WLOSS %+v\n", x)
	}
	fmt.Println(strings.ReplaceAll(w.Document, "\r", "\n"))
	res2 := f.With(Options{ImpliedConsent: true}).Read([]byte(w.Document))
	fmt.Println("FAULTS", res2.Faults)
	os.WriteFile("/tmp/gen/a.json", res.Records[0].Bundle, 0o600)
	os.WriteFile("/tmp/gen/b.json", res2.Records[0].Bundle, 0o600)
}
