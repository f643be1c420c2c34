package dataplane

import (
	"hash/maphash"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
	"github.com/openkeyvault/openkeyvault/internal/vault"
)

// Bounds of the answers that are kept.
const (
	maxAnswers      = 4 << 20 // bytes
	maxAnswer       = 4 << 10
	maxAnswerTarget = 512
	answerOverhead  = 1 << 10 // what one costs besides its texts, about
	recentRequests  = 4096
)

// answers keeps what was answered to requests that have come at least twice, with
// the readings that tell whether it would be answered again. It decides nothing: the
// domain does. What is dropped is overwritten once nobody writes it to a connection
// any more. It is safe for concurrent use.
type answers struct {
	seed maphash.Seed
	// overwrite clears the body of an answer that nobody has any more.
	overwrite func(body []byte)
	// recent has the fingerprints of the last requests that were not kept.
	recent [recentRequests]atomic.Uint64

	mu    sync.RWMutex // guards all below
	bytes int
	m     map[uint64]*keptAnswer // by fingerprint
}

// keptAnswer is one answer. It is never changed.
type keptAnswer struct {
	request target
	version string
	route   *httpx.Route
	region  []string
	reading *vault.Reading
	body    []byte
	length  []string
}

func (k *keptAnswer) cost() int { return k.request.length() + len(k.body) + answerOverhead }

// target is all of a GET that its answer depends on, but for the caller.
type target struct{ host, path, rawPath, query string }

func targetOf(r *http.Request) target {
	return target{r.Host, r.URL.Path, r.URL.RawPath, r.URL.RawQuery}
}

func (t *target) length() int { return len(t.host) + len(t.path) + len(t.rawPath) + len(t.query) }

func newAnswers() *answers {
	return &answers{
		seed: maphash.MakeSeed(), m: map[uint64]*keptAnswer{},
		overwrite: func(body []byte) { clear(body) },
	}
}

// fingerprint stands for a request with its token, of which the end of the signature
// is enough to tell it from others. Two may have the same.
func (a *answers) fingerprint(r *http.Request) uint64 {
	token := httpx.HeaderValue(r, "Authorization")
	token = token[max(0, len(token)-32):]
	return maphash.String(a.seed, token)*odd + maphash.Comparable(a.seed, targetOf(r))
}

// odd mixes two hashes of 64 bits.
const odd = 0x9e3779b97f4a7c15

// find returns what was answered to such a request, or nil. Who asked then, and
// whether the answer holds, only its reading tells.
func (a *answers) find(r *http.Request) *keptAnswer {
	f := a.fingerprint(r)
	a.mu.RLock()
	k := a.m[f]
	a.mu.RUnlock()
	if k == nil || k.request != targetOf(r) {
		return nil
	}
	return k
}

// keep keeps what was answered to a request, if such a one has come before.
func (a *answers) keep(x *httpx.Exchange, reading *vault.Reading, answer httpx.Appender) {
	f := a.fingerprint(x.Request)
	request := targetOf(x.Request)
	if request.length() > maxAnswerTarget || a.recent[f%recentRequests].Swap(f) != f {
		return
	}
	k := &keptAnswer{
		request: request, version: x.APIVersion, route: x.Route,
		region: x.ResponseWriter.Header()[regionHeader], reading: reading, body: answer.AppendJSON(nil),
	}
	if len(k.body) > maxAnswer {
		clear(k.body)
		return
	}
	k.length = []string{strconv.Itoa(len(k.body))}
	runtime.AddCleanup(k, a.overwrite, k.body)
	a.put(f, k)
}

// put adds an answer; arbitrary others make room for it.
func (a *answers) put(f uint64, k *keptAnswer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(f)
	for victim := range a.m {
		if a.bytes+k.cost() <= maxAnswers {
			break
		}
		a.drop(victim)
	}
	a.m[f] = k
	a.bytes += k.cost()
}

func (a *answers) drop(f uint64) {
	if k := a.m[f]; k != nil {
		a.bytes -= k.cost()
		delete(a.m, f)
	}
}

// answerAgain gives an answer that was given before, if the domain finds that it
// still holds for this caller. Whatever else there is to say, it leaves to the
// operation.
func (p *plane) answerAgain(x *httpx.Exchange) (done bool, err error) {
	if x.Method != http.MethodGet {
		return false, nil
	}
	k := p.answers.find(x.Request)
	if k == nil || !p.believe(x) {
		return false, nil
	}
	if done, err = p.holds(x, k); !done || err != nil {
		return false, err
	}
	x.ResponseWriter.Header()[regionHeader] = k.region
	x.ReplyText(http.StatusOK, k.body, k.length)
	runtime.KeepAlive(k)
	return true, nil
}

// holds asks the domain about an answer.
func (p *plane) holds(x *httpx.Exchange, k *keptAnswer) (bool, error) {
	x.Route, x.APIVersion = k.route, k.version
	return p.Vaults.Again(x.Context(), call(x), k.reading)
}

// believe finds out who asks, and reports whether it has.
func (p *plane) believe(x *httpx.Exchange) bool {
	bearer, given := httpx.Bearer(x.Request)
	if !given {
		return false
	}
	caller, err := p.Verify(x.Context(), bearer)
	x.Caller = caller
	return err == nil
}
