package bench

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Row is one figure beside its limit.
type Row struct {
	// Scenario says what was done, Figure and Limit how it went for us and at
	// the limit, both in Unit.
	Scenario string  `json:"scenario"`
	Unit     Unit    `json:"unit"`
	Figure   float64 `json:"figure"`
	Limit    float64 `json:"limit,omitempty"` // zero without one
	// LimitOf says what the limit is.
	LimitOf string `json:"limitOf,omitempty"`
	// Ratio is the median of the rounds' ratios of figure to limit, Least and
	// Most are their range.
	Ratio float64 `json:"ratio,omitempty"`
	Least float64 `json:"least,omitempty"`
	Most  float64 `json:"most,omitempty"`
	// Budget is what the figure or its ratio must keep to; nil where there is no
	// promise.
	Budget *Budget `json:"budget,omitempty"`
	// OK says whether it does; nil without a budget.
	OK *bool `json:"ok,omitempty"`
	// Note says what else is to be known of the figure.
	Note string `json:"note,omitempty"`
}

// Unit is what a figure counts.
type Unit string

// The units of figures.
const (
	PerSecond    Unit = "/s"
	Microseconds Unit = "µs"
	Milliseconds Unit = "ms"
	Megabytes    Unit = "MB" // 1e6 bytes
)

// Budget is a bound of a ratio, or of a figure in its own unit.
type Budget struct {
	// Of is "ratio" or "figure".
	Of string `json:"of"`
	// AtLeast or AtMost is the bound; the other is zero.
	AtLeast float64 `json:"atLeast,omitempty"`
	AtMost  float64 `json:"atMost,omitempty"`
}

func ratioAtLeast(bound float64) *Budget { return &Budget{Of: "ratio", AtLeast: bound} }
func ratioAtMost(bound float64) *Budget  { return &Budget{Of: "ratio", AtMost: bound} }
func figureAtMost(bound float64) *Budget { return &Budget{Of: "figure", AtMost: bound} }

// judge fills in OK.
func (r *Row) judge() {
	if r.Budget == nil {
		return
	}
	value := r.Ratio
	if r.Budget.Of == "figure" {
		value = r.Figure
	}
	ok := value >= r.Budget.AtLeast
	if r.Budget.AtMost > 0 {
		ok = value <= r.Budget.AtMost
	}
	r.OK = &ok
}

// Header are the titles of the columns of Cells.
func Header() []string { return []string{"SCENARIO", "FIGURE", "LIMIT", "RATIO", "BUDGET", "OK"} }

// Cells returns the row for people. A cell of what does not exist is empty.
func (r Row) Cells() []string {
	cells := []string{r.Scenario, r.Unit.format(r.Figure), "", "", "", ""}
	if r.Limit > 0 {
		cells[2] = r.Unit.format(r.Limit)
	}
	if r.Ratio > 0 {
		cells[3] = fmt.Sprintf("%.2f (%.2f-%.2f)", r.Ratio, r.Least, r.Most)
	}
	if r.Budget != nil {
		cells[4] = r.Budget.text(r.Unit)
	}
	if r.OK != nil {
		cells[5] = "no"
		if *r.OK {
			cells[5] = "yes"
		}
	}
	return cells
}

func (b *Budget) text(u Unit) string {
	sign, bound := ">=", b.AtLeast
	if b.AtMost > 0 {
		sign, bound = "<=", b.AtMost
	}
	if b.Of == "figure" {
		return sign + " " + u.format(bound)
	}
	return fmt.Sprintf("%s %.2f", sign, bound)
}

// format writes a figure with three digits or all before the point.
func (u Unit) format(v float64) string {
	digits := max(0, 2-int(math.Floor(math.Log10(max(v, 0.01)))))
	text := fmt.Sprintf("%.*f", digits, v)
	whole, fraction, _ := strings.Cut(text, ".")
	whole = grouped(whole)
	if fraction != "" {
		whole += "." + fraction
	}
	if u == PerSecond {
		return whole + string(u)
	}
	return whole + " " + string(u)
}

// compare fills a row from rounds of figures and of limits, taken in turn.
func compare(row Row, figures, limits []float64) Row {
	ratios := make([]float64, len(figures))
	for i := range figures {
		ratios[i] = figures[i] / limits[i]
	}
	row.Figure, row.Limit, row.Ratio = median(figures), median(limits), median(ratios)
	row.Least, row.Most = slices.Min(ratios), slices.Max(ratios)
	return row
}

// median of at least one value.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// count writes a number of things.
func count(n int) string { return grouped(fmt.Sprint(n)) }

// grouped puts a comma before every third digit from the end.
func grouped(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// slug returns a row's scenario as a file name.
func slug(scenario string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(scenario), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}), "-")
}
