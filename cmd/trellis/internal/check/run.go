package check

import (
	"cmp"
	"runtime"

	"trellis.example/fhir"
	"trellis.example/fhir/xml"
	"trellis.example/profiles"
)

// A Fault is an issue as commands print it.
type Fault struct {
	Severity   fhir.Severity `json:"severity"`
	Source     string        `json:"source"`
	Expression string        `json:"expression"`
	Rule       string        `json:"rule"`
	Text       string        `json:"text"`
	Expected   string        `json:"expected,omitempty"`
	Found      string        `json:"found,omitempty"`
	Profile    string        `json:"profile,omitempty"`
	Hint       string        `json:"hint,omitempty"`
}

// NewFaults returns the issues as they are printed; never nil.
func NewFaults(issues []fhir.Issue) []Fault {
	out := make([]Fault, 0, len(issues))
	for _, is := range issues {
		out = append(out, Fault{
			Severity: cmp.Or(is.Severity, fhir.SeverityError), Source: is.Source, Expression: is.Expression,
			Rule: cmp.Or(is.Rule, string(is.Code)), Text: is.Text,
			Expected: is.Expected, Found: is.Found, Profile: is.Profile, Hint: is.Hint,
		})
	}
	return out
}

// A Checked document is one that was judged.
type Checked struct {
	File   string  `json:"file"`
	Valid  bool    `json:"valid"`
	Faults []Fault `json:"faults"`
	// Explained is set when asked for.
	Explained []Line `json:"explained,omitempty"`

	read int64
}

// A Judge judges documents by one set of options.
type Judge struct {
	Validator *profiles.Validator
	Options   profiles.Options
	// Explain adds the profile lines that each element was held against.
	Explain bool
}

// Resource decodes a document, JSON or XML.
func (d Document) Resource() (fhir.Resource, error) {
	b := d.JSON
	if d.XML {
		var err error
		if b, err = xml.Decode(b, Limit); err != nil {
			return fhir.Resource{}, err
		}
	}
	return fhir.DecodeLimit(b, Limit)
}

// Judge returns the verdict on a document.
func (j Judge) Judge(d Document) Checked {
	c := Checked{File: d.Name, read: d.Read}
	r, err := d.Resource()
	var issues []fhir.Issue
	if err != nil {
		issues = fhir.AsError(err).Issues
	} else {
		o := j.Options
		if j.Explain {
			o.Explain = c.explain
		}
		issues = j.Validator.Validate(r, o)
		if d.XML {
			inXML(issues, r)
		}
	}
	c.Valid, c.Faults = fhir.Faults(issues) == nil, NewFaults(issues)
	return c
}

// inXML gives each issue its place in an XML document.
func inXML(issues []fhir.Issue, r fhir.Resource) {
	for i := range issues {
		if issues[i].Source == "" {
			issues[i].Source = xml.XPath(r.Root(), issues[i].Expression)
		}
	}
}

// Run judges every document of s with as many workers as there are processors,
// and calls emit for each in order. read is called with the bytes read so far.
// It stops at the first error of the source or of emit.
func Run(s *Source, judge func(Document) Checked, emit func(Checked) error, read func(int64)) error {
	workers := runtime.GOMAXPROCS(0)
	type job struct {
		doc  Document
		err  error
		done chan Checked
	}
	queue, work := make(chan job, 4*workers), make(chan job)
	stop := make(chan struct{})
	defer close(stop)
	for range workers {
		go func() {
			for j := range work {
				j.done <- judge(j.doc)
			}
		}()
	}
	go func() {
		defer close(queue)
		defer close(work)
		for doc, err := range s.All() {
			j := job{doc, err, make(chan Checked, 1)}
			select {
			case queue <- j:
			case <-stop:
				return
			}
			if err != nil {
				return
			}
			select {
			case work <- j:
			case <-stop:
				return
			}
		}
	}()
	var total int64
	for j := range queue {
		if j.err != nil {
			return j.err
		}
		c := <-j.done
		if err := emit(c); err != nil {
			return err
		}
		total += c.read
		read(total)
	}
	return nil
}
