package pebble

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// On a full disk Pebble tries to flush again and again, and reported it a hundred
// times a second until the log had filled another disk.
func TestBackgroundErrorsAreFew(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	l := &logger{store: &Store{log: slog.New(slog.NewTextHandler(&log, nil))}}
	report := l.listener().BackgroundError
	began := time.Now()
	for range 1000 {
		report(errors.New("no space left"))
	}
	most := 1 + int(time.Since(began)/time.Second)
	if n := strings.Count(log.String(), "background work failed"); n < 1 || n > most {
		t.Errorf("%d lines of log for a thousand errors, want at most %d", n, most)
	}
	log.Reset()
	l.retried.Store(time.Now().Add(-time.Second).UnixNano())
	report(errors.New("a second later"))
	if !strings.Contains(log.String(), "a second later") {
		t.Error("an error of a second later is not in the log")
	}
}
