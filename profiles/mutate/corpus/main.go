// Command corpus writes the documents over which Trellis and HL7's reference
// validator are compared: the official examples, our profiles' examples, our
// definitions, and mutations of the valid ones.
//
//	go run ./profiles/mutate/corpus -out build/oracle/documents -official build/r4-examples/package
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"trellis.example/fhir"
	"trellis.example/fhir/definitions"
	"trellis.example/profiles"
	"trellis.example/profiles/mutate"
)

// largest is the size of the largest document in bytes: the reference validator
// takes minutes for each of the official collections of definitions.
const largest = 1_000_000

type corpus struct {
	out       string
	validator *profiles.Validator
	bases     []base // what mutations are made of
	mutations int
}

// A base is a valid document and the profile that its folder names, if any.
type base struct {
	name    string
	profile string
	doc     fhir.Resource
}

func main() {
	out := flag.String("out", "build/oracle/documents", "folder to write, made anew")
	official := flag.String("official", "", "folder of the official R4 examples")
	ours := flag.String("examples", "profiles/examples", "folder of our profiles' examples")
	defs := flag.String("definitions", "profiles/data", "folder of our definitions")
	apart := flag.String("reference", "", "folder for the definitions in force, made anew: the reference validator takes one version of each")
	n := flag.Int("mutations", 10_000, "how many broken documents to make")
	flag.Parse()
	err := run(*out, *official, *ours, *defs, *n)
	if err == nil && *apart != "" {
		err = inForce(*defs, *apart)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(2)
	}
}

func run(out, official, ours, defs string, n int) error {
	v, err := profiles.New()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	c := &corpus{out: out, validator: v, mutations: n}
	for _, g := range []struct{ group, from string }{{"official", official}, {"examples", ours}, {"definitions", defs}} {
		if g.from == "" {
			fmt.Printf("%s: left out, no folder was given\n", g.group)
			continue
		}
		if err := c.copyAll(g.group, g.from); err != nil {
			return err
		}
	}
	return c.mutate()
}

// copyAll copies the documents below a folder and remembers the valid ones.
func (c *corpus) copyAll(group, from string) error {
	copied, large := 0, 0
	err := filepath.WalkDir(from, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".json" {
			return err
		}
		b, err := os.ReadFile(file) //nolint:gosec // below the folder given
		if err != nil {
			return err
		}
		r, err := fhir.DecodeLimit(b, len(b))
		if err != nil {
			return nil //nolint:nilerr // no resource: an index, say
		}
		if len(b) > largest {
			large++
			return nil
		}
		rel, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		copied++
		c.remember(group, rel, r)
		return c.write(filepath.Join(group, rel), b)
	})
	fmt.Printf("%s: %d documents, %d larger than %d bytes left out\n", group, copied, large, largest)
	return err
}

// remember keeps a document for mutations: valid, small, and of a type that we
// profile.
func (c *corpus) remember(group, rel string, r fhir.Resource) {
	if group == "definitions" || len(r.JSON()) > largest/20 || c.validator.Structure(profiles.Base+r.Type()) == nil {
		return
	}
	if fhir.Faults(c.validator.Validate(r, profiles.Options{BaseOnly: true})) != nil {
		return
	}
	b := base{name: strings.TrimSuffix(strings.ReplaceAll(filepath.ToSlash(rel), "/", "-"), ".json"), doc: r}
	if group == "examples" {
		b.profile = profiles.Base + filepath.Base(filepath.Dir(rel))
	}
	c.bases = append(c.bases, b)
}

// mutate takes the same number of faults of each document, spread over those
// that can be made.
func (c *corpus) mutate() error {
	if len(c.bases) == 0 {
		return fmt.Errorf("there is no valid document to make mutations of")
	}
	each, made := (c.mutations+len(c.bases)-1)/len(c.bases), 0
	for i, b := range c.bases {
		g := mutate.New(definitions.R4(), c.validator.Structure(b.profile), uint64(i), 1)
		var all []mutate.Fault
		for f := range g.Faults(b.doc) {
			if len(f.Doc) <= largest {
				all = append(all, f)
			}
		}
		step := max(1, len(all)/each)
		for j := i % step; j < len(all) && made < c.mutations; j += step {
			made++
			name := fmt.Sprintf("%s-%d.json", b.name, j)
			if err := c.write(filepath.Join("mutations", all[j].Mutation, name), all[j].Doc); err != nil {
				return err
			}
		}
	}
	fmt.Printf("mutations: %d of %d documents\n", made, len(c.bases))
	return nil
}

// inForce copies our definitions without the folders of earlier versions.
func inForce(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	c := &corpus{out: to}
	return filepath.WalkDir(from, func(file string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(file) != ".json" && !d.IsDir() {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); file != from && name[0] >= '0' && name[0] <= '9' {
				return filepath.SkipDir
			}
			return nil
		}
		b, err := os.ReadFile(file) //nolint:gosec // below the folder given
		if err != nil {
			return err
		}
		return c.write(strings.ReplaceAll(strings.TrimPrefix(file, from), string(filepath.Separator), "-")[1:], b)
	})
}

func (c *corpus) write(name string, b []byte) error {
	file := filepath.Join(c.out, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o600) //nolint:gosec // below the folder that the user names
}
