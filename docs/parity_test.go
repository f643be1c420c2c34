// Package docs holds the documentation. Its tests keep what the documents claim
// true.
package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// witness is a test's name in a package: internal/vault.TestSecrets.
var witness = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz|Example)\\w*)`")

// states are the words of the State column. What works needs a witness; what is
// missing must not name one.
var states = map[string]bool{"works": true, "partly": true, "missing": false}

// TestParity fails on a claim whose witness does not exist.
func TestParity(t *testing.T) {
	content, err := os.ReadFile("parity.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for i, line := range strings.Split(string(content), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), "|")
		if !strings.HasPrefix(line, "|") || len(cells) != 3 || strings.HasPrefix(cells[0], "---") || strings.TrimSpace(cells[1]) == "State" {
			continue
		}
		rows++
		if err := check(strings.TrimSpace(cells[1]), cells[2]); err != nil {
			t.Errorf("parity.md:%d: %v", i+1, err)
		}
	}
	if rows < 20 {
		t.Errorf("only %d rows were read; has the form of the table changed?", rows)
	}
}

// TestParityFindsLies makes sure that check can fail.
func TestParityFindsLies(t *testing.T) {
	for _, row := range [][2]string{
		{"works", ""},
		{"works", "`docs.TestNoSuchThing`"},
		{"works", "`no/such/package.TestParity`"},
		{"missing", "`docs.TestParity`"},
		{"perhaps", "`docs.TestParity`"},
	} {
		if check(row[0], row[1]) == nil {
			t.Errorf("a row with state %q and witness %q was believed", row[0], row[1])
		}
	}
	if err := check("works", "`docs.TestParity`"); err != nil {
		t.Error(err)
	}
}

func check(state, witnesses string) error {
	needed, known := states[state]
	if !known {
		return fmt.Errorf("unknown state %q", state)
	}
	found := witness.FindAllStringSubmatch(witnesses, -1)
	if needed != (len(found) > 0) {
		return fmt.Errorf("a row that is %q has %d witnesses", state, len(found))
	}
	for _, w := range found {
		if !declared(w[1], w[2]) {
			return fmt.Errorf("there is no test %s in %s", w[2], w[1])
		}
	}
	return nil
}

// declared reports whether a package's tests declare the function.
func declared(dir, name string) bool {
	files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
	if err != nil {
		return false
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(source), "\nfunc "+name+"(") {
			return true
		}
	}
	return false
}
