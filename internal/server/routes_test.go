package server

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/httpx"
)

// planeRoutes returns the operations that a plane has, from the source of its
// route table: what is there by name only is left out. Nobody but the plane needs
// its table, so that the plane does not export it.
func planeRoutes(t *testing.T, dir string) []httpx.Route {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var parsed []*ast.File
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	s := source{constants: map[string]ast.Expr{}}
	for _, pass := range []func(ast.Node) bool{s.collectConstant, s.collectRoute} {
		for _, f := range parsed {
			ast.Inspect(f, pass)
		}
	}
	if len(s.routes) < 15 {
		t.Fatalf("only %d routes are found in %s; has the form of the table changed?", len(s.routes), dir)
	}
	return s.routes
}

// source is what is read of a package.
type source struct {
	constants map[string]ast.Expr
	routes    []httpx.Route
}

func (s *source) collectConstant(n ast.Node) bool {
	if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == len(spec.Names) {
		for i, name := range spec.Names {
			s.constants[name.Name] = spec.Values[i]
		}
	}
	return true
}

// collectEach collects the routes of a loop over a list of texts once for each of
// them, and reports whether it is such a loop.
func (s *source) collectEach(loop *ast.RangeStmt) bool {
	list, ok1 := loop.X.(*ast.Ident)
	value, ok2 := loop.Value.(*ast.Ident)
	if !ok1 || !ok2 {
		return false
	}
	texts, ok := s.constants[list.Name].(*ast.CompositeLit)
	if !ok {
		return false
	}
	for _, text := range texts.Elts {
		s.constants[value.Name] = text
		ast.Inspect(loop.Body, s.collectRoute)
	}
	delete(s.constants, value.Name)
	return true
}

// collectRoute knows the two forms of the tables: composite literals of
// httpx.Route, and calls of route with a family, a method, a pattern and a name,
// also in a loop.
func (s *source) collectRoute(n ast.Node) bool {
	var method, pattern, name ast.Expr
	switch n := n.(type) {
	case *ast.RangeStmt:
		return !s.collectEach(n)
	case *ast.CompositeLit:
		fields := map[string]ast.Expr{}
		for _, e := range n.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				if key, ok := kv.Key.(*ast.Ident); ok {
					fields[key.Name] = kv.Value
				}
			}
		}
		method, pattern, name = fields["Method"], fields["Pattern"], fields["Name"]
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "route" && len(n.Args) >= 4 {
			method, pattern, name = n.Args[1], n.Args[2], n.Args[3]
		}
	}
	if name == nil {
		return true
	}
	m, ok1 := s.text(method)
	p, ok2 := s.text(pattern)
	text, ok3 := s.text(name)
	// The rows of what is not built are made in a loop, of variables.
	if ok1 && ok2 && ok3 {
		s.routes = append(s.routes, httpx.Route{Method: m, Pattern: p, Name: text, Handle: func(*httpx.Exchange) error { return nil }})
	}
	return true
}

// text evaluates a constant expression.
func (s *source) text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		v, err := strconv.Unquote(e.Value)
		return v, err == nil
	case *ast.Ident:
		value, ok := s.constants[e.Name]
		if !ok {
			return "", false
		}
		return s.text(value)
	case *ast.SelectorExpr: // http.MethodGet
		name, ok := strings.CutPrefix(e.Sel.Name, "Method")
		return strings.ToUpper(name), ok
	case *ast.BinaryExpr:
		x, ok1 := s.text(e.X)
		y, ok2 := s.text(e.Y)
		return x + y, ok1 && ok2 && e.Op == token.ADD
	}
	return "", false
}

// checkComplete fails for an operation without a row and for a row whose request
// does not lead to its operation.
func checkComplete(t *testing.T, routes []httpx.Route, rows map[string][]request) {
	t.Helper()
	router := httpx.NewRouter(routes)
	known := map[string]bool{}
	for _, r := range routes {
		known[r.Name] = true
		if len(rows[r.Name]) == 0 {
			t.Errorf("the operation %s (%s %s) has no row", r.Name, r.Method, r.Pattern)
		}
	}
	for name, requests := range rows {
		for _, r := range requests {
			path, _, _ := strings.Cut(r.path, "?")
			found, _, _, ok := router.Match(r.method, path)
			if !known[name] || !ok || found.Name != name {
				t.Errorf("the row %s is about %s %s, which is %+v", name, r.method, r.path, found)
			}
		}
	}
}

// request is what a row sends.
type request struct{ method, path string }

// The first segments of the management plane's paths never belong to the token
// service, on a host that they share.
func TestSharedHostPaths(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, r := range planeRoutes(t, "../tokenplane") {
		path := strings.ReplaceAll(r.Pattern, "{tenant}", testTenant)
		if !h.srv.planes.token.Serves(path) {
			t.Errorf("%s is not the token service's", path)
		}
	}
	for _, r := range planeRoutes(t, "../mgmtplane") {
		if h.srv.planes.token.Serves(r.Pattern) {
			t.Errorf("%s is the token service's", r.Pattern)
		}
	}
	// What the table says exists does exist.
	for _, r := range planeRoutes(t, "../mgmtplane") {
		path := strings.NewReplacer("{", "", "}", "").Replace(r.Pattern)
		if a := h.do(r.Method, "https://localhost"+path, "", ""); a.status == 404 || a.status == 405 {
			t.Errorf("%s %s: status %d", r.Method, path, a.status)
		}
	}
}
