// Command compare sets Trellis's verdicts beside those of HL7's reference
// validator, document by document, and prints where they differ.
//
//	go run ./conformance/oracle/compare -ours OURS.json -theirs VERDICTS.ndjson -argued docs/divergences.md
//
// OURS is what trellis validate --json prints, VERDICTS what the program in
// conformance/oracle writes. A document that one side refuses and the other
// accepts is argued when every reason of the side that refuses it stands in the
// table of the section "HL7's reference validator" of the file of divergences.
// The exit code is 1 when a disagreement is not argued.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	ours := flag.String("ours", "", "output of trellis validate --json")
	theirs := flag.String("theirs", "", "verdicts of the reference validator, one JSON object a line")
	file := flag.String("argued", "docs/divergences.md", "file with the table of argued disagreements")
	root := flag.String("root", "", "folder that the file names of -ours begin with")
	show := flag.Int("show", 20, "how many disagreements without an argument to print")
	flag.Parse()
	ok, err := run(*ours, *theirs, *file, *root, *show)
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(ours, theirs, file, root string, show int) (bool, error) {
	a, err := readOurs(ours, root)
	if err != nil {
		return false, err
	}
	b, err := readTheirs(theirs)
	if err != nil {
		return false, err
	}
	table, err := readArguments(file)
	if err != nil {
		return false, err
	}
	r, err := compare(a, b, table)
	if err != nil {
		return false, err
	}
	r.print(os.Stdout, show)
	return len(r.open) == 0, nil
}
