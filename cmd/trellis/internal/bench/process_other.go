//go:build !linux

package bench

import (
	"syscall"
	"time"
)

// A pid is a process; on this system nothing is known about it.
type pid int

func (pid) cpu() (time.Duration, bool)         { return 0, false }
func (pid) memory() (now, peak int64, ok bool) { return 0, 0, false }

func busy() (float64, bool) { return 0, false }

func childAttr() *syscall.SysProcAttr { return nil }

func onMemory(string) bool { return false }
