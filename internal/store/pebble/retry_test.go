package pebble

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// On a full disk Pebble tries to flush again and again, and reported it a hundred
// times a second until the log had filled another disk.
func TestBackgroundErrorsAreFew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := &logger{store: &Store{log: slog.New(slog.NewTextHandler(&log, nil))}}
		report := l.listener().BackgroundError
		for range 1000 {
			report(errors.New("no space left"))
		}
		// The bubble's clock moves when everybody in it waits.
		<-time.After(time.Second - time.Nanosecond)
		report(errors.New("a moment too early"))
		if n := strings.Count(log.String(), "background work failed"); n != 1 {
			t.Errorf("%d lines of log for a thousand errors within a second", n)
		}
		<-time.After(time.Nanosecond)
		report(errors.New("a second later"))
		if !strings.Contains(log.String(), "a second later") {
			t.Error("an error of a second later is not in the log")
		}
	})
}
