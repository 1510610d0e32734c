package bench

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	d, ok := parseStat([]byte("123 (a) odd (name) S 1 1 1 0 -1 4194560 1 2 3 4 150 25 0 0 20 0 9 0 1 2 3"))
	if !ok || d != 1750*time.Millisecond {
		t.Errorf("%s, %t", d, ok)
	}
	if _, ok := parseStat([]byte("123 (a) S 1")); ok {
		t.Error("too few fields are taken")
	}
}

func TestParseStatus(t *testing.T) {
	now, peak, ok := parseStatus([]byte("Name:\ttrellis\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n"))
	if !ok || now != 1<<20 || peak != 2<<20 {
		t.Errorf("%d, %d, %t", now, peak, ok)
	}
	if _, _, ok := parseStatus(nil); ok {
		t.Error("nothing is taken for something")
	}
}

func TestOwnProcess(t *testing.T) {
	p := pid(os.Getpid())
	if _, ok := p.cpu(); !ok {
		t.Error("the processor time of this process is not known")
	}
	if now, peak, ok := p.memory(); !ok || now > peak {
		t.Errorf("memory %d, peak %d, %t", now, peak, ok)
	}
}
