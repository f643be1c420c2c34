package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Ready returns nil when the server can do everything that it is there for, else
// why not: it is shutting down, the audit log cannot be written, the disk is
// nearly full, or the store takes no writes. The text names neither vaults nor
// files.
func (s *Server) Ready(ctx context.Context) error {
	switch {
	case s.leaving.Load():
		return errors.New("the server is shutting down")
	case s.data.audit.Ready() != nil:
		return errors.New("the audit log cannot be written: every operation is refused")
	}
	if room := s.data.room; room != nil && room.check() < room.reserve {
		return fmt.Errorf("the disk has less than %d MiB of room: changes are refused", room.reserve>>20)
	}
	// It writes nothing and needs a turn like any other, which a sync that hangs
	// does not give.
	if err := s.data.store.Update(ctx, func(store.Tx) error { return nil }); err != nil {
		return fmt.Errorf("the store takes no writes: %w", err)
	}
	return nil
}

// readyTimeout is what the store may take to answer.
const readyTimeout = 2 * time.Second

// Health answers GET /livez, always with 200, and GET /readyz, with 200 or 503
// and the reason. It is for a listener of its own, without TLS.
func (s *Server) Health() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := s.Ready(ctx); err != nil {
			say(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		say(w, http.StatusOK, "ok")
	})
	return mux
}

func say(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // a prober that has gone needs no answer
}

// serveHealth serves Health until the returned function is called. A failure
// after that it was begun goes to failed.
func (s *Server) serveHealth(ln net.Listener, failed chan<- error) (stop func()) {
	srv := &http.Server{
		Handler: s.Health(), MaxHeaderBytes: 8 << 10,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute,
	}
	go func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("the health listener: %w", err)
		}
	}()
	return func() { _ = srv.Close() }
}
