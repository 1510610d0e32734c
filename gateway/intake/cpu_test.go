//go:build unix

package intake_test

import (
	"syscall"
	"testing"
)

// cpu is the processor time of this process so far, in nanoseconds.
func cpu(testing.TB) int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}
