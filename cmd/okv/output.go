package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/openkeyvault/openkeyvault/api"
)

// format is the value of --output.
type format string

const (
	formatText format = "text"
	formatJSON format = "json"
)

func outputFlag(group *cobra.Command) *choice[format] {
	return choiceFlag(group, group.PersistentFlags(), "output", "o", "for people, or for programs", formatText, formatJSON)
}

// document is a JSON object whose members print in alphabetical order, as those
// of az do.
type document map[string]json.RawMessage

// newDocument returns the JSON of v, an object, with further members.
func newDocument(v any, members map[string]string) (document, error) {
	text, err := encodeJSON(v, "")
	if err != nil {
		return nil, err
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, err
	}
	for name, value := range members {
		if d[name], err = encodeJSON(value, ""); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// encodeJSON leaves <, > and & as they are: what reads it is not a browser.
func encodeJSON(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	err := e.Encode(v)
	return b.Bytes(), err
}

func writeJSON(w io.Writer, v any) error {
	text, err := encodeJSON(v, "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// field is a line of the description of one object.
type field struct{ name, value string }

// writeFields writes the fields that have a value, with their values aligned.
// Each value takes one line.
func writeFields(w io.Writer, fields []field) error {
	width := 0
	for _, f := range fields {
		if f.value != "" {
			width = max(width, len(f.name))
		}
	}
	var b strings.Builder
	for _, f := range fields {
		if f.value != "" {
			fmt.Fprintf(&b, "%-*s %s\n", width+1, f.name+":", printable(f.value))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeTable writes rows below a header. An empty cell shows as a hyphen.
func writeTable(w io.Writer, header []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for i, row := range append([][]string{header}, rows...) {
		cells := make([]string, len(row))
		for j, cell := range row {
			switch {
			case i > 0 && cell == "":
				cell = "-"
			case i > 0:
				cell = printable(cell)
			}
			cells[j] = cell
		}
		if _, err := fmt.Fprintln(t, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

// printable returns text as it is if a terminal shows it in one line and takes
// none of it for a command, else quoted as in Go.
func printable(text string) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	return strconv.Quote(text)
}

// printableLines is printable for text of several lines.
func printableLines(text string) string {
	if line := lineBreaks.Replace(text); printable(line) != line {
		return strconv.Quote(text)
	}
	return text
}

// lineBreaks takes line breaks and tabs out. A carriage return alone is none: a
// terminal goes back and overwrites the line.
var lineBreaks = strings.NewReplacer("\r\n", "", "\n", "", "\t", "")

// formatTime returns the time in RFC 3339, or nothing for nil.
func formatTime(t *api.UnixTime) string {
	if t == nil {
		return ""
	}
	return t.Time().Format(time.RFC3339)
}

// formatInstant is formatTime for the times of the management plane.
func formatInstant(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func formatTags(t map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(t)) {
		pairs = append(pairs, name+"="+t[name])
	}
	return strings.Join(pairs, ", ")
}

func formatBool(b *bool) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return "yes"
	}
	return "no"
}
