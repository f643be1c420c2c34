package storetest

import "time"

// SetGrace makes the suite wait longer for what must not happen. It is for a
// process that has started no test yet.
func SetGrace(d time.Duration) { grace = d }
