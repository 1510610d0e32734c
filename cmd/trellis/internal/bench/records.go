package bench

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
)

// Marks of the documents of existing records; what replaces them may have
// another length.
const (
	requestMark = "@@@@@@@@@@@@@@request@@@@@@@@@@@@@@@"
	orgMark     = "@@org@@"
	stateMark   = "@@state@@"
)

// Whose the existing records are: the practice that asks has one of twenty.
const (
	share     = 20
	secondODS = "A81002"
	thirdODS  = "A81003"
)

// holders are the organisations that existing records belong to.
func holders() []string { return []string{practiceODS, secondODS, thirdODS} }

// heldTypes are the kinds of existing records: each person has one of each.
func heldTypes() []string { return []string{"Patient", "ServiceRequest", "Observation", "Task"} }

// heldFiles are their documents, in the same order.
func heldFiles() []string {
	return []string{"held-patient.json", "held-request.json", "held-observation.json", "held-task.json"}
}

// A person is the number of one of those that existing records are about.
type person int64

// holder is whose the person's records are: of twenty persons one is the
// practice's, two are another's and the rest a third one's.
func (p person) holder() string {
	switch p % share {
	case 0:
		return practiceODS
	case 1, 2:
		return secondODS
	}
	return thirdODS
}

// id is that of one of the person's records. Ids lie scattered, as random ones
// do, because a store that is filled in the order of its keys is filled with
// less work than it really is.
func (p person) id(kind int) string {
	a := scatter(uint64(p)*4 + uint64(kind))
	b := scatter(a)
	var raw [16]byte
	for i := range 8 {
		raw[i], raw[8+i] = byte(a>>(8*i)), byte(b>>(8*i))
	}
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80 // UUID version 4 (RFC 9562, section 5.4)
	h := hex.EncodeToString(raw[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// scatter is the finalizer of SplitMix64: one to one, and near numbers come out
// far apart.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// states are those of the requests: half of them are active.
func (p person) state() string {
	return []string{"active", "completed", "active", "revoked", "active", "on-hold", "active", "draft"}[p/share%8]
}

// A form is a document in pieces: text and marks take turns, text first.
type form struct{ pieces []string }

func newForm(name string) (form, error) {
	b, err := document(name)
	if err != nil {
		return form{}, err
	}
	marks := regexp.MustCompile("@+[a-z]+@+")
	var f form
	at := 0
	for _, m := range marks.FindAllIndex(b, -1) {
		f.pieces = append(f.pieces, string(b[at:m[0]]), string(b[m[0]:m[1]]))
		at = m[1]
	}
	f.pieces = append(f.pieces, string(b[at:]))
	return f, nil
}

// write appends a person's record as one line.
func (f form) write(b []byte, p person, kind int, nhs string) []byte {
	for i, piece := range f.pieces {
		if i%2 == 1 {
			piece = p.value(piece, kind, nhs)
		}
		b = append(b, piece...)
	}
	return append(b, '\n')
}

func (p person) value(mark string, kind int, nhs string) string {
	switch mark {
	case idMark:
		return p.id(kind)
	case patientMark:
		return p.id(0)
	case requestMark:
		return p.id(1)
	case numberMark:
		return number(int64(p), len(numberMark))
	case nhsMark:
		return nhs
	case orgMark:
		return p.holder()
	case stateMark:
		return p.state()
	}
	return mark // a test shows that there is none
}

// writeRecords writes the records of persons, who are given by their NHS
// numbers, to one NDJSON file for each organisation in dir and returns how many
// each has.
func writeRecords(dir string, persons []string) (counts map[string]int, err error) {
	var forms []form
	for _, name := range heldFiles() {
		f, err := newForm(name)
		if err != nil {
			return nil, err
		}
		forms = append(forms, f)
	}
	counts = map[string]int{}
	for _, org := range holders() {
		n, err := writeFile(recordsFile(dir, org), func(w io.Writer) (n int, err error) {
			var b []byte
			for i, nhs := range persons {
				p := person(i)
				if p.holder() != org {
					continue
				}
				b = b[:0]
				for kind, f := range forms {
					b = f.write(b, p, kind, nhs)
				}
				if _, err := w.Write(b); err != nil {
					return n, err
				}
				n += len(forms)
			}
			return n, nil
		})
		if err != nil {
			return nil, err
		}
		counts[org] = n
	}
	return counts, nil
}

func recordsFile(dir, org string) string { return filepath.Join(dir, org+".ndjson") }

func writeFile(path string, write func(io.Writer) (int, error)) (int, error) {
	f, err := os.Create(path) //nolint:gosec // in our own temporary folder
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // once more, when something failed before
	w := bufio.NewWriterSize(f, 1<<20)
	n, err := write(w)
	if err != nil {
		return n, err
	}
	if err := w.Flush(); err != nil {
		return n, err
	}
	return n, f.Close()
}

// transaction returns a transaction of a patient and as many requests about it
// as make n entries, each with placeholders.
func transaction(n int) ([]byte, error) {
	type object = map[string]any
	patient, err := document("patient.json")
	if err != nil {
		return nil, err
	}
	request, err := document("plain.json")
	if err != nil {
		return nil, err
	}
	full := "urn:uuid:5b0c0001-7d2f-4a63-8b11-00" + numberMark
	request = bytes.ReplaceAll(request, []byte("Patient/"+patientMark), []byte(full))
	entries := []object{{"fullUrl": full, "resource": json.RawMessage(patient), "request": object{"method": "POST", "url": "Patient"}}}
	for i := 1; i < n; i++ {
		own := bytes.ReplaceAll(request, []byte(referralPrefix), []byte(referralPrefix+number(int64(i), 3)+"-"))
		entries = append(entries, object{"resource": json.RawMessage(own), "request": object{"method": "POST", "url": "ServiceRequest"}})
	}
	return json.Marshal(object{"resourceType": "Bundle", "type": "transaction", "entry": entries})
}
