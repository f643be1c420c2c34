package httpx

import (
	"errors"
	"fmt"
	"net/url"
	"sort"
	"strings"
)

// Route is one operation of a plane, as data.
type Route struct {
	Method string
	// Pattern is a path of literal segments, which match without case, and of
	// parameters: "/secrets/{name}/{version?}". A parameter matches one
	// segment that is not empty; a final or inner one with a question mark
	// also matches an empty segment, and a final one its absence.
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

// Params are the values of a route's parameters, decoded.
type Params map[string]string

// Router finds the route of a request by its path as sent: it never redirects
// and never cleans, because the official clients mean something by an empty
// segment ("/keys/name//encrypt" is the newest version). It is immutable and
// safe for concurrent use.
type Router struct{ root node }

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
	r := &Router{}
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
	n := &r.root
	for segment := range strings.SplitSeq(rest, "/") {
		n = n.child(segment)
		if n == nil {
			return errors.New("two parameters of one place differ in name")
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

// child returns the node below n for a segment of a pattern, or nil when the
// parameter of that place already has another name.
func (n *node) child(segment string) *node {
	if inner, ok := strings.CutPrefix(segment, "{"); ok {
		name := strings.TrimSuffix(inner, "}")
		name, optional := strings.CutSuffix(name, "?")
		if n.param == nil {
			n.param = &node{name: name}
		}
		if n.param.name != name {
			return nil
		}
		n.param.optional = n.param.optional || optional
		return n.param
	}
	if n.literal == nil {
		n.literal = map[string]*node{}
	}
	key := strings.ToLower(segment)
	if n.literal[key] == nil {
		n.literal[key] = &node{}
	}
	return n.literal[key]
}

// Match returns the route for a method and an escaped path. When none has the
// path, ok is false and allow is empty; when the path has other methods, ok is
// false and allow lists them.
func (r *Router) Match(method, escapedPath string) (route *Route, params Params, allow []string, ok bool) {
	rest, found := strings.CutPrefix(escapedPath, "/")
	if !found {
		return nil, nil, nil, false
	}
	params = Params{}
	n := r.root.find(strings.Split(rest, "/"), params)
	if n == nil {
		return nil, nil, nil, false
	}
	if route = n.routes[method]; route != nil {
		return route, params, nil, true
	}
	for m := range n.routes {
		allow = append(allow, m)
	}
	sort.Strings(allow)
	return nil, nil, allow, false
}

// find walks the remaining segments, preferring a literal to a parameter, and
// fills params on the way back.
func (n *node) find(segments []string, params Params) *node {
	if len(segments) == 0 {
		if n.routes != nil {
			return n
		}
		if n.param != nil && n.param.optional && n.param.routes != nil {
			params[n.param.name] = ""
			return n.param
		}
		return nil
	}
	segment, err := url.PathUnescape(segments[0])
	if err != nil {
		return nil
	}
	if next := n.literal[strings.ToLower(segment)]; next != nil {
		if found := next.find(segments[1:], params); found != nil {
			return found
		}
	}
	if n.param != nil && (segment != "" || n.param.optional) {
		if found := n.param.find(segments[1:], params); found != nil {
			params[n.param.name] = segment
			return found
		}
	}
	// A trailing slash after a complete path means the same path.
	if segment == "" && len(segments) == 1 && n.routes != nil {
		return n
	}
	return nil
}
