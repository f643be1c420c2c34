package httpx

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/openkeyvault/openkeyvault/internal/cache"
)

// Route is one operation of a plane, as data.
type Route struct {
	Method string
	// Pattern is a path of literal segments, which match without case, and of
	// parameters: "/secrets/{name}/{version?}". A parameter matches one
	// segment that is not empty; one with a question mark also matches an
	// empty segment and the absence of any, and has no value then.
	Pattern string
	// Name is the operation's name in logs and metrics: "SecretGet".
	Name string
	// MaxBody is the largest body the operation reads, in bytes. Zero means
	// that the operation takes no body: one that is sent is not read.
	MaxBody int64
	// Handle does the work and writes the answer, or returns why not, having
	// written nothing.
	Handle func(*Exchange) error
}

// Params are the values of a route's parameters, decoded. They are shared and must
// not be changed.
type Params map[string]string

// Router finds the route of a request by its path as sent: it never redirects
// and never cleans, because the official clients mean something by an empty
// segment ("/keys/name//encrypt" is the newest version). It is safe for concurrent
// use.
type Router struct {
	root node
	// found are matches of short paths: most requests name what others have named.
	found *cache.Map[request, match]
}

// request is what is looked for, and match what was found.
type (
	request struct{ method, path string }
	match   struct {
		route  *Route
		params Params
	}
)

// Bounds of the matches that are remembered, a kilobyte each at most.
const (
	cachedMatches = 4096
	maxCachedPath = 256
)

type node struct {
	literal  map[string]*node // by folded segment
	param    *node
	name     string // of the parameter that leads here
	optional bool   // it also matches an empty segment
	routes   map[string]*Route
}

// NewRouter compiles routes. It panics when two of them are the same or a
// pattern is malformed: routes are part of the program.
func NewRouter(routes []Route) *Router {
	r := &Router{found: cache.New[request, match](cachedMatches)}
	for i := range routes {
		if err := r.add(&routes[i]); err != nil {
			panic(fmt.Sprintf("httpx: route %s %s: %v", routes[i].Method, routes[i].Pattern, err))
		}
	}
	return r
}

func (r *Router) add(route *Route) error {
	rest, ok := strings.CutPrefix(route.Pattern, "/")
	if !ok || route.Handle == nil {
		return errors.New("needs a leading slash and a handler")
	}
	segments := strings.Split(rest, "/")
	if err := r.place(route, segments); err != nil {
		return err
	}
	// Some clients clean their paths: of "/keys/name//encrypt" they make
	// "/keys/name/encrypt". What is optional at the end, end leaves out.
	for i, segment := range segments[:len(segments)-1] {
		if strings.HasSuffix(segment, "?}") {
			if err := r.place(route, slices.Delete(slices.Clone(segments), i, i+1)); err != nil {
				return err
			}
		}
	}
	return nil
}

// place makes the route the one of the segments.
func (r *Router) place(route *Route, segments []string) error {
	n := &r.root
	for _, segment := range segments {
		var err error
		if n, err = n.child(segment); err != nil {
			return err
		}
	}
	if n.routes == nil {
		n.routes = map[string]*Route{}
	}
	if n.routes[route.Method] != nil {
		return errors.New("declared twice")
	}
	n.routes[route.Method] = route
	return nil
}

// child returns the node below n for a segment of a pattern.
func (n *node) child(segment string) (*node, error) {
	if inner, ok := strings.CutPrefix(segment, "{"); ok {
		name, closed := strings.CutSuffix(inner, "}")
		name, optional := strings.CutSuffix(name, "?")
		if !closed || name == "" {
			return nil, errors.New("a parameter needs a name and a closing brace")
		}
		if n.param == nil {
			n.param = &node{name: name}
		}
		if n.param.name != name {
			return nil, errors.New("two parameters of one place differ in name")
		}
		n.param.optional = n.param.optional || optional
		return n.param, nil
	}
	if n.literal == nil {
		n.literal = map[string]*node{}
	}
	key := strings.ToLower(segment)
	if n.literal[key] == nil {
		n.literal[key] = &node{}
	}
	return n.literal[key], nil
}

// Match returns the route for a method and an escaped path. When none has the
// path, ok is false and allow is empty; when the path has other methods, ok is
// false and allow lists them, sorted.
//
// A literal that is the end of a pattern hides what a parameter in its place
// could mean, whatever the method and whatever follows: with "/keys/restore"
// among the patterns no path means a key of that name.
func (r *Router) Match(method, escapedPath string) (route *Route, params Params, allow []string, ok bool) {
	if known, ok := r.found.Get(request{method, escapedPath}); ok {
		return known.route, known.params, nil, true
	}
	route, params, allow, ok = r.search(method, escapedPath)
	if ok && len(escapedPath) <= maxCachedPath {
		// The path may be part of a longer text, and so may be what the parameters hold.
		path := strings.Clone(escapedPath)
		r.found.Put(request{route.Method, path}, match{route, params.clone()})
	}
	return route, params, allow, ok
}

// With returns parameters that have one more.
func (p Params) With(name, value string) Params {
	c := maps.Clone(p)
	if c == nil {
		c = Params{}
	}
	c[name] = value
	return c
}

// clone returns parameters that share nothing with the path that they came from.
func (p Params) clone() Params {
	c := make(Params, len(p))
	for name, value := range p {
		c[name] = strings.Clone(value)
	}
	return c
}

// search is Match in the tree.
func (r *Router) search(method, escapedPath string) (route *Route, params Params, allow []string, ok bool) {
	rest, found := strings.CutPrefix(escapedPath, "/")
	if !found {
		return nil, nil, nil, false
	}
	s := search{method: method, params: Params{}}
	s.walk(&r.root, strings.Split(rest, "/"))
	if s.route != nil {
		return s.route, s.params, nil, true
	}
	slices.Sort(s.allow)
	return nil, nil, slices.Compact(s.allow), false
}

// search is one walk down the tree for a method.
type search struct {
	method string
	route  *Route
	params Params   // of the route, filled on the way back
	allow  []string // methods of the places that the path names and that lack ours
}

// walk follows the remaining segments, preferring a literal to a parameter,
// and reports whether they name a place below n. It stops at the first that has
// the method.
func (s *search) walk(n *node, segments []string) (exists bool) {
	if len(segments) == 0 {
		return s.end(n)
	}
	segment, err := url.PathUnescape(segments[0])
	if err != nil {
		return false
	}
	if next := n.literal[strings.ToLower(segment)]; next != nil {
		if exists := s.walk(next, segments[1:]); exists || next.routes != nil {
			return exists
		}
	}
	if n.param != nil && (segment != "" || n.param.optional) && s.walk(n.param, segments[1:]) {
		if s.route != nil {
			s.params[n.param.name] = segment
			return true
		}
		exists = true
	}
	// A trailing slash after a complete path means the same path.
	if segment == "" && len(segments) == 1 && s.take(n) {
		exists = true
	}
	return exists
}

// end looks for the method at n, and at n with its optional parameter left out.
func (s *search) end(n *node) (exists bool) {
	exists = s.take(n)
	if s.route != nil || n.param == nil || !n.param.optional {
		return exists
	}
	if s.take(n.param) {
		exists = true
	}
	if s.route != nil {
		s.params[n.param.name] = ""
	}
	return exists
}

// take makes n's route for the method the answer. It reports whether n has any
// routes.
func (s *search) take(n *node) bool {
	s.route = n.routes[s.method]
	if s.route == nil {
		for m := range n.routes {
			s.allow = append(s.allow, m)
		}
	}
	return n.routes != nil
}
