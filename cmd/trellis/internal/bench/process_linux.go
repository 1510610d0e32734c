package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// A pid is a process of this machine, read from /proc (proc(5)).
type pid int

// tick is the unit of /proc/<pid>/stat: USER_HZ is 100 on every architecture
// that Linux and Go share.
const tick = 10 * time.Millisecond

func (p pid) cpu() (time.Duration, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
	if err != nil {
		return 0, false
	}
	return parseStat(b)
}

// parseStat adds fields 14 and 15, user and system time. The second field, the
// name in parentheses, may contain anything.
func parseStat(b []byte) (time.Duration, bool) {
	fields := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(fields) < 13 {
		return 0, false
	}
	user, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * tick, err1 == nil && err2 == nil
}

func (p pid) memory() (now, peak int64, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
	if err != nil {
		return 0, 0, false
	}
	return parseStatus(b)
}

func parseStatus(b []byte) (now, peak int64, ok bool) {
	for line := range bytes.Lines(b) {
		f := bytes.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, err := strconv.ParseInt(string(f[1]), 10, 64)
		switch {
		case err != nil:
		case string(f[0]) == "VmRSS:":
			now = n << 10
		case string(f[0]) == "VmHWM:":
			peak = n << 10
		}
	}
	return now, peak, now > 0 && peak > 0
}

// busy returns how many processes wanted a processor in the last minute, on
// average.
func busy() (float64, bool) {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, false
	}
	first, _, _ := bytes.Cut(b, []byte(" "))
	v, err := strconv.ParseFloat(string(first), 64)
	return v, err == nil
}

// childAttr makes the gateway end with this program, even when that is killed.
func childAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// onMemory reports that a folder lies in memory, where a durable write costs
// nothing.
func onMemory(dir string) bool {
	const tmpfs, ramfs = 0x01021994, 0x858458f6
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) != nil {
		return false
	}
	return uint32(st.Type) == tmpfs || uint32(st.Type) == ramfs
}
