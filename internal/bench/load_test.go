package bench

import (
	"encoding/base64"
	"encoding/binary"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// target is a server that notes what it is asked.
type target struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
	body []string
}

func newTarget(t testing.TB, answer http.HandlerFunc) *target {
	t.Helper()
	s := &target{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading a request: %v", err)
		}
		s.mu.Lock()
		s.seen, s.body = append(s.seen, r), append(s.body, string(body))
		s.mu.Unlock()
		answer(w, r)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *target) load(op operation, connections, streams int) *loadSpec {
	return &loadSpec{
		requests: requests{Host: "example.com", Token: "t0ken", Op: op, Names: 100},
		Address:  s.Listener.Addr().String(), Root: s.Certificate().Raw, Connections: connections, Streams: streams,
	}
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }

// What a load says it has done is what the server has seen, and the requests are
// whole.
func TestLoad(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		op             operation
		streams, extra int
		proto          string
	}{
		"get over HTTP/1.1":  {opGet, 0, 0, "HTTP/1.1"},
		"put over HTTP/1.1":  {opPut, 0, 0, "HTTP/1.1"},
		"list over HTTP/1.1": {opList, 0, 0, "HTTP/1.1"},
		"get over HTTP/2":    {opGet, 4, 3, "HTTP/2.0"}, // each connection asks once before
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTarget(t, ok)
			l, err := newLoad(t.Context(), s.load(tc.op, 3, tc.streams))
			if err != nil {
				t.Fatal(err)
			}
			w, err := l.run(t.Context(), task{Requests: 200})
			if err != nil {
				t.Fatal(err)
			}
			if w.Done != 200 || len(s.seen) != 200+tc.extra || w.Elapsed <= 0 {
				t.Errorf("done are %d in %v, the server saw %d", w.Done, w.Elapsed, len(s.seen))
			}
			if (w.P50 > 0) != (tc.streams == 0) || w.P99 < w.P50 {
				t.Errorf("the percentiles are %v and %v", w.P50, w.P99)
			}
			for i, r := range s.seen {
				checkRequest(t, tc.op, r, s.body[i], tc.proto)
			}
			if w, err := l.run(t.Context(), task{Duration: 1}); err != nil || w.Done < 3 {
				t.Errorf("done in no time are %d of 3 connections, %v", w.Done, err)
			}
			if err := l.close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func checkRequest(t *testing.T, op operation, r *http.Request, body, proto string) {
	t.Helper()
	method, wantBody := "GET", ""
	if op == opPut {
		method, wantBody = "PUT", secretBody
	}
	if r.Method != method || body != wantBody || r.Proto != proto || r.Host != "example.com" {
		t.Errorf("the request is %s %s for %s with %q", r.Proto, r.Method, r.Host, body)
	}
	if r.Header.Get("Authorization") != "Bearer t0ken" || r.Header.Get("User-Agent") != userAgent || r.Header.Get("X-Ms-Client-Request-Id") != requestID {
		t.Errorf("the header is %v", r.Header)
	}
	if r.URL.Query().Get("api-version") != apiVersion {
		t.Errorf("the query is %s", r.URL.RawQuery)
	}
	name, named := strings.CutPrefix(r.URL.Path, "/secrets/secret-00000")
	if op == opList {
		if r.URL.Path != "/secrets" || r.URL.Query().Get("maxresults") != "25" {
			t.Errorf("the page is %s", r.URL)
		}
	} else if !named || len(name) != 2 {
		t.Errorf("the path is %s", r.URL.Path)
	}
}

// It is a list's whole page that is asked for, wherever it starts.
func TestListAfter(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		names, from int
		after       string
	}{{1000, 0, "secret-0000000"}, {1000, 700, "secret-0000700"}, {1000, 999, "secret-0000974"}, {10, 9, "secret-0000000"}} {
		r := requests{Op: opList, Names: tc.names}
		u, err := url.Parse(string(r.appendPath(nil, tc.from)))
		if err != nil {
			t.Fatal(err)
		}
		token, err := base64.RawURLEncoding.DecodeString(u.Query().Get("$skiptoken"))
		if err != nil || !strings.Contains(string(token), `"NextMarker":"`+tc.after+`"`) {
			t.Errorf("the token is %s, %v, want after %s", token, err, tc.after)
		}
	}
}

func TestPick(t *testing.T) {
	t.Parallel()
	r := requests{Names: 1000, Hot: 10}
	seen := map[int]bool{}
	for range 1000 {
		seen[r.pick()] = true
	}
	if len(seen) != 10 || !seen[0] || !seen[900] {
		t.Errorf("picked are %v", seen)
	}
	if name := string(appendName([]byte("x/"), 1234567)); name != "x/secret-1234567" {
		t.Errorf("the name is %s", name)
	}
}

// Nothing but a whole answer of status 200 counts.
func TestLoadFails(t *testing.T) {
	t.Parallel()
	refuse := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such secret", http.StatusNotFound) }
	for name, tc := range map[string]struct {
		answer  http.HandlerFunc
		streams int
		want    string
	}{
		"refused over HTTP/1.1": {refuse, 0, "no such secret"},
		"refused over HTTP/2":   {refuse, 1, "not the expected one"},
		"without a length": {func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
		}, 0, "does not say how long"},
		"cut off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, "EOF"},
		"reset":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 1, "RST_STREAM"},
		"too large": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(make([]byte, 100_000))
		}, 0, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTarget(t, tc.answer)
			l, err := newLoad(t.Context(), s.load(opGet, 1, tc.streams))
			if err == nil {
				_, err = l.run(t.Context(), task{Duration: time.Minute})
				_ = l.close()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("the error is %v, want %q", err, tc.want)
			}
		})
	}
	t.Run("an unknown authority", func(t *testing.T) {
		t.Parallel()
		s, other := newTarget(t, ok), newTarget(t, ok)
		spec := s.load(opGet, 1, 0)
		spec.Host, spec.Address = "other.example.org", other.Listener.Addr().String()
		if _, err := newLoad(t.Context(), spec); err == nil {
			t.Error("a server without a certificate for the host is believed")
		}
	})
}

func FuzzReadHeader(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n"))
	f.Add([]byte("HTTP/1.1 20"))
	f.Add([]byte("HTTP/1.1 404 Not Found\r\nContent-Length: -1\r\n"))
	f.Fuzz(func(t *testing.T, header []byte) {
		if _, size, err := readHeader(header); err == nil && (size < 0 || size > maxAnswer) {
			t.Errorf("the size is %d", size)
		}
	})
}

// Whatever a peer sends, in whatever pieces, the caller ends or answers.
func FuzzFrames(f *testing.F) {
	frame := func(t http2.FrameType, flags http2.Flags, payload string) []byte {
		return appendFrame(nil, t, flags, 1, []byte(payload))
	}
	f.Add(append(frame(http2.FrameHeaders, 0, "\x88"), frame(http2.FrameData, http2.FlagDataEndStream, "{}")...))
	f.Add(append(frame(http2.FrameSettings, 0, ""), frame(http2.FramePing, 0, "12345678")...))
	f.Add(frame(http2.FrameHeaders, http2.FlagHeadersEndStream, "\x20\x8d"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		c := &caller2{conn: &script{in: sent}, in: make([]byte, 4*(frameHeader+maxFrame))}
		for range len(sent) + 1 {
			ended, err := c.exchange()
			if ended > len(sent)/frameHeader {
				t.Fatalf("%d answers in %d bytes", ended, len(sent))
			}
			if err != nil {
				return
			}
		}
		t.Error("the caller reads what is not there")
	})
}

// script is a connection that gives what it holds a few bytes at a time.
type script struct {
	net.Conn
	in []byte
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.in[:min(len(s.in), 7)])
	s.in = s.in[n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error) { return len(p), nil }

// The window of a connection is opened again before it is used up.
func TestWindow(t *testing.T) {
	t.Parallel()
	c := &caller2{consumed: window / 2}
	if _, err := c.receive(http2.FrameData, 0, []byte("more")); err != nil {
		t.Fatal(err)
	}
	if len(c.out) != frameHeader+4 || http2.FrameType(c.out[3]) != http2.FrameWindowUpdate || binary.BigEndian.Uint32(c.out[frameHeader:]) != window/2+4 || c.consumed != 0 {
		t.Errorf("sent is %x, consumed are %d", c.out, c.consumed)
	}
}
