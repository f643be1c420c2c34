package vault

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// firstRetry is how long what has failed once is left alone; each failure
	// doubles it, up to lastRetry.
	firstRetry = time.Minute
	lastRetry  = 4 * time.Hour
	// maxRetries bounds what is remembered, to some 20 MB. What finds no room is
	// tried in every run, and there is a bound to how much of that may fail.
	maxRetries = 1 << 16
)

// retries remembers what background work has failed, so that it is not tried all
// the time. It forgets when the process ends. It is safe for concurrent use.
type retries struct {
	now func() time.Time // the wall clock: it is about this machine's work

	mu     sync.Mutex
	failed map[string]retry // by the key of the object's head
}

type retry struct {
	after time.Duration // the last wait
	at    time.Time
}

func newRetries() *retries { return &retries{now: time.Now, failed: map[string]retry{}} }

// waiting reports whether the work on an object has failed and its next try is not
// due yet.
func (r *retries) waiting(object string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	failed, ok := r.failed[object]
	return ok && r.now().Before(failed.at)
}

// note notes how the work on an object has ended. The next try comes at a random
// time of the second half of its wait, so that what has failed together does not
// come back together.
func (r *retries) note(object string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, known := r.failed[object]
	if err == nil {
		delete(r.failed, object)
		return
	}
	r.forgetOld()
	if !known && len(r.failed) >= maxRetries {
		return
	}
	wait := min(max(firstRetry, 2*last.after), lastRetry)
	r.failed[object] = retry{wait, r.now().Add(wait/2 + rand.N(wait/2))}
}

// forgetOld makes room: what was not tried again long after its time is
// no longer due.
func (r *retries) forgetOld() {
	if len(r.failed) < maxRetries {
		return
	}
	for key, failed := range r.failed {
		if r.now().Sub(failed.at) > lastRetry {
			delete(r.failed, key)
		}
	}
}
