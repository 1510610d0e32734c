package bench

import "time"

// A process is where processor time and memory are read. Either may be unknown
// on this system.
type process interface {
	// cpu returns the processor time used so far, in steps of 10 ms.
	cpu() (time.Duration, bool)
	// memory returns the resident memory now and at its peak, in bytes.
	memory() (now, peak int64, ok bool)
}
