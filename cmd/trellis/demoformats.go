package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"trellis.example/auth"
	"trellis.example/mapping"
	"trellis.example/mapping/formats"
)

// shown are the formats that the demo's own steps send.
var shown = []string{"fhir", "hl7v2", "ppn-csv", "bars"}

// sendOthers sends the first worked example of every other format, as the first
// of the roles that may.
func (p *partners) sendOthers(ctx context.Context) error {
	all, err := formats.All()
	if err != nil {
		return err
	}
	p.sayf("%d. the first worked example of every other format, to /intake/{format}\n", len(shown)+1)
	for _, e := range all {
		if info := e.Info(); !info.In || slices.Contains(shown, info.ID) {
			continue
		}
		answer, err := p.sendExample(ctx, e)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Info().ID, err)
		}
		p.sayf("   %-20s from %-25s %s\n", e.Info().ID, e.Info().Senders[0], answer)
	}
	return nil
}

// sendExample sends one worked example and says how it was answered.
func (p *partners) sendExample(ctx context.Context, e formats.Entry) (string, error) {
	doc, err := example(e)
	if err != nil || doc == nil {
		return "has no example to send", err
	}
	role := auth.Role(e.Info().Senders[0])
	x, err := p.ensure(ctx, partner{ID: "demo-" + string(role), Role: role, Org: demoOrg(role), Secret: p.known["demo-"+string(role)].Secret})
	if err != nil {
		return "", err
	}
	p.known[x.ID] = x
	status, body, err := p.do(ctx, x.ID, http.MethodPost, "/intake/"+e.Info().ID, e.Info().MediaTypes[0], nil, doc)
	switch {
	case status == http.StatusUnprocessableEntity && speaksOfAnother(e, doc):
		return "422: the referral it speaks of is not here", nil
	case err != nil:
		return "", err
	case e.Info().Receipt == "csv":
		_, rows, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
		return fmt.Sprintf("%d: a result file of %d rows", status, strings.Count(rows, "\n")+1), nil
	}
	return fmt.Sprintf("%d", status), nil
}

// speaksOfAnother reports whether the document is about a referral that was sent
// before, and names it by its identifier.
func speaksOfAnother(e formats.Entry, doc []byte) bool {
	return slices.ContainsFunc(e.Read(doc).Records, func(r mapping.Record) bool {
		return bytes.Contains(r.Bundle, []byte(`"ServiceRequest?identifier=`))
	})
}

// example returns the first of the format's examples that is accepted whole.
func example(e formats.Entry) ([]byte, error) {
	full, _ := fs.Glob(e.Files, "testdata/full/in.*") // the patterns are right
	rest, _ := fs.Glob(e.Files, "testdata/*/in.*")
	for _, name := range slices.Concat(full, rest) {
		doc, err := fs.ReadFile(e.Files, name)
		if err != nil {
			return nil, err
		}
		if res := e.Read(doc); res.Accepted() && len(res.Records) > 0 {
			return doc, nil
		}
	}
	return nil, nil
}

// demoOrg is the organisation of a demo partner; the roles that act for nobody
// have none.
func demoOrg(role auth.Role) string {
	for _, x := range demoPartners {
		if x.Role == role {
			return x.Org
		}
	}
	return "ZD" + strings.ToUpper(string(role[:3]))
}
