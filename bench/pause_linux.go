package bench

import (
	"syscall"
	"time"
)

// pause sleeps for d in the kernel, which is more exact than the runtime's timers.
func pause(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // a signal wakes it early: it is asked again
}
