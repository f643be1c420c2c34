package pebble

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	crdb "github.com/cockroachdb/pebble/v2"
)

// logger passes Pebble's messages on and turns what it calls fatal into the
// engine's failed state.
type logger struct {
	store   *Store
	opening atomic.Bool
	// retried is when background last wrote, in nanoseconds since 1970.
	retried atomic.Int64
}

// Infof implements crdb.Logger.
func (l *logger) Infof(format string, args ...any) {
	if l.store.log.Enabled(context.Background(), slog.LevelDebug) {
		l.store.log.Debug("pebble: " + fmt.Sprintf(format, args...))
	}
}

// Errorf implements crdb.Logger.
func (l *logger) Errorf(format string, args ...any) {
	l.store.log.Error("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf implements crdb.Logger. Pebble calls it when the log or the manifest
// could not be written and relies on it not to return: a commit whose sync
// failed would go on to report success, a flush whose manifest failed to delete
// the log it came from. So it never does, even if Config.OnFatal returns.
func (l *logger) Fatalf(format string, args ...any) { l.fatal(fmt.Errorf(format, args...)) }

func (l *logger) fatal(err error) {
	if l.opening.Load() {
		panic(err)
	}
	l.store.fail(err)
	select {}
}

// listener reports the events that an operator should see. Corruption makes the
// read that met it fail, not the node: other records are still served.
func (l *logger) listener() *crdb.EventListener {
	log := l.store.log
	return &crdb.EventListener{
		// Unless it is being opened, Pebble is about to panic with its locks in
		// a state that Go ends the process for, without a word to OnFatal.
		WALCreated: func(info crdb.WALCreateInfo) {
			if info.Err != nil && !l.opening.Load() {
				l.fatal(fmt.Errorf("creating a segment of the log: %w", info.Err))
			}
		},
		BackgroundError: l.background,
		DataCorruption: func(info crdb.DataCorruptionInfo) {
			log.Error("store: a file is corrupt", "path", info.Path, "err", info.Details)
		},
		DiskSlow:     func(info crdb.DiskSlowInfo) { log.Warn("store: the disk is slow", "info", info.String()) },
		LowDiskSpace: func(info crdb.LowDiskSpaceInfo) { log.Warn("store: the disk is nearly full", "info", info.String()) },
		WriteStallBegin: func(info crdb.WriteStallBeginInfo) {
			log.Warn("store: writes wait for the disk", "reason", info.Reason)
		},
	}
}

// background reports work that failed and that Pebble tries again, on a full disk
// a hundred times a second and without end: once a second is enough.
func (l *logger) background(err error) {
	now, last := time.Now().UnixNano(), l.retried.Load()
	if now-last >= int64(time.Second) && l.retried.CompareAndSwap(last, now) {
		l.store.log.Error("store: background work failed and is retried", "err", err)
	}
}
