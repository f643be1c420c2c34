package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// Leave makes Ready say that the server will end, while it goes on as before:
// who sends requests here has time to choose another.
func (s *Server) Leave() { s.leaving.Store(true) }

// Drain refuses every request from now on, with 503 and the advice to come back,
// on a connection that ends with the answer. Those that have begun go on.
func (s *Server) Drain() {
	s.Leave()
	s.draining.Store(true)
}

// retryAfter is about what a restart takes.
const retryAfter = 5 * time.Second

const drainingMessage = "The service is shutting down. Retry the request."

// refuseDraining answers in the words of the plane that the request is for.
func (s *Server) refuseDraining(w http.ResponseWriter, r *http.Request, site httpx.Site) {
	h := w.Header()
	h.Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
	h.Set("Connection", "close")
	if site.Vault == "" && site.HSM == "" && s.isToken(site, r) {
		s.planes.token.Unavailable(w, r, drainingMessage)
		return
	}
	refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable", drainingMessage)
}
