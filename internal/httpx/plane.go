package httpx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// Plane treats every request of a plane in the same way: it gives it an id, has
// it served, turns a panic into an internal error, answers with what Serve
// refuses, and writes one line of log, which names the operation and never the
// path, because that is the caller's text. ServeHTTP needs the request's Site in
// the context. All fields are required.
type Plane struct {
	// Name begins the line of the log: "data plane".
	Name string
	// Prepare sets the headers of every answer.
	Prepare func(*Exchange)
	// Serve does the work and answers, or returns why not, having written
	// nothing.
	Serve func(*Exchange) error
	// Refuse answers with an error of Serve and returns its code for the log.
	Refuse func(*Exchange, error) (code string)
	// IsRefusal reports whether an error of Serve says something to the caller.
	// Any other is internal, and its text is for the log alone.
	IsRefusal func(error) bool
	Logger    *slog.Logger
}

// ServeHTTP answers one request and logs it.
func (p *Plane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.ServeSite(w, r, SiteFrom(r.Context()))
}

// ServeSite is ServeHTTP for a request whose context does not carry the site.
func (p *Plane) ServeSite(w http.ResponseWriter, r *http.Request, site Site) {
	started := time.Now()
	x := &Exchange{ResponseWriter: w, Request: r, Site: site, RequestID: NewRequestID()}
	p.Prepare(x)
	err := p.serve(x)
	code := ""
	if err != nil && x.Status == 0 {
		code = p.Refuse(x, err)
	}
	p.log(x, started, code, err)
}

// serve turns a panic into an internal error, except the one that asks the server
// to drop the connection.
func (p *Plane) serve(x *Exchange) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			panic(v)
		default:
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return p.Serve(x)
}

func (p *Plane) log(x *Exchange, started time.Time, code string, err error) {
	level, ctx := slog.LevelInfo, x.Context()
	cause := ""
	if err != nil && !p.IsRefusal(err) {
		level, cause = slog.LevelError, err.Error()
		if errors.Is(err, context.Canceled) {
			level = slog.LevelInfo
		}
	}
	if !p.Logger.Enabled(ctx, level) {
		return
	}
	operation := "none"
	if x.Route != nil {
		operation = x.Route.Name
	}
	attrs := make([]slog.Attr, 0, 8)
	attrs = append(attrs,
		slog.String("operation", operation),
		slog.Int("status", x.Status),
		slog.Duration("took", time.Since(started)),
		slog.String("request_id", x.RequestID))
	for _, a := range []struct{ name, value string }{
		{"vault", x.Site.Vault}, {"hsm", x.Site.HSM}, {"code", code}, {"caller", x.Caller.ObjectID}, {"error", cause},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.name, a.value))
		}
	}
	p.Logger.LogAttrs(ctx, level, p.Name+" request", attrs...)
}

// maxID bounds an id of the caller's.
const maxID = 128

// CallersID returns a header, named in canonical form, that holds an id of the
// caller's, or nothing when it is not a short run of visible characters: it is
// echoed and recorded.
func CallersID(r *http.Request, header string) string {
	id := HeaderValue(r, header)
	if len(id) > maxID {
		return ""
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return ""
		}
	}
	return id
}

// TakesJSON reports whether the request's body, if the route reads one, says that
// it is JSON in UTF-8. One that says nothing is taken for JSON.
func (x *Exchange) TakesJSON() bool {
	header := HeaderValue(x.Request, "Content-Type")
	if x.Route.MaxBody == 0 || header == "" || header == "application/json" {
		return true
	}
	media, params, err := mime.ParseMediaType(header)
	charset := params["charset"]
	return err == nil && (media == "application/json" || media == "text/json") &&
		(charset == "" || strings.EqualFold(charset, "utf-8"))
}
