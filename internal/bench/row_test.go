package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestCells(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		row  Row
		want []string
	}{
		{compare(Row{Scenario: "a", Unit: PerSecond, Budget: ratioAtLeast(0.8)}, []float64{8000, 9000, 7000}, []float64{10000, 10000, 10000}),
			[]string{"a", "8,000/s", "10,000/s", "0.80 (0.70-0.90)", ">= 0.80", "yes"}},
		{compare(Row{Scenario: "b", Unit: PerSecond, Budget: ratioAtLeast(0.8)}, []float64{7999, 7991}, []float64{10000, 10000}),
			[]string{"b", "7,995/s", "10,000/s", "0.80 (0.80-0.80)", ">= 0.80", "no"}},
		{compare(Row{Scenario: "c", Unit: Microseconds, Budget: ratioAtMost(1.2)}, []float64{121}, []float64{100}),
			[]string{"c", "121 µs", "100 µs", "1.21 (1.21-1.21)", "<= 1.20", "no"}},
		{compare(Row{Scenario: "d", Unit: Milliseconds, Budget: figureAtMost(50)}, []float64{49.94}, []float64{4.994}),
			[]string{"d", "49.9 ms", "4.99 ms", "10.00 (10.00-10.00)", "<= 50.0 ms", "yes"}},
		{Row{Scenario: "e", Unit: Megabytes, Figure: 0.5}, []string{"e", "0.500 MB", "", "", "", ""}},
		{Row{Scenario: "f", Unit: PerSecond, Figure: 1234567.8}, []string{"f", "1,234,568/s", "", "", "", ""}},
	} {
		tc.row.judge()
		if got := tc.row.Cells(); !slices.Equal(got, tc.want) {
			t.Errorf("the cells are %q, want %q", got, tc.want)
		}
	}
	if len(Header()) != len(Row{}.Cells()) {
		t.Error("the header has another number of columns than the rows")
	}
}

// A ratio is that of two turns that followed each other, not of two medians: in
// this run the machine was slow for one round.
func TestCompareRounds(t *testing.T) {
	t.Parallel()
	row := compare(Row{}, []float64{80, 40, 80}, []float64{100, 50, 160})
	if row.Figure != 80 || row.Limit != 100 || row.Ratio != 0.8 || row.Least != 0.5 || row.Most != 0.8 {
		t.Errorf("the row is %+v", row)
	}
}

func TestSlug(t *testing.T) {
	t.Parallel()
	if got := slug("GET secret, roles, HTTP/1.1"); got != "get-secret-roles-http-1-1" {
		t.Errorf("the slug is %q", got)
	}
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	var a, b histogram
	var all []time.Duration
	for i := range 20_000 {
		d := time.Duration(rand.ExpFloat64() * float64(time.Millisecond))
		all = append(all, d)
		if i%2 == 0 {
			a.add(d)
		} else {
			b.add(d)
		}
	}
	a.merge(&b)
	slices.Sort(all)
	for _, q := range []float64{0, 0.01, 0.5, 0.99, 0.9999} {
		got, want := a.quantile(q), all[int(q*float64(len(all)))]
		if got > want || float64(got) < 0.99*float64(want) {
			t.Errorf("the %v quantile is %v, want %v", q, got, want)
		}
	}
	var empty histogram
	if empty.quantile(0.5) != 0 {
		t.Error("nothing has a quantile")
	}
}

// Buckets follow each other without a gap, and none is wider than a percent.
func TestBuckets(t *testing.T) {
	t.Parallel()
	for i := range buckets {
		start, next := bucketStart(i), bucketStart(i+1)
		if bucketOf(start) != i || bucketOf(next-1) != i {
			t.Fatalf("bucket %d is from %d to %d", i, start, next)
		}
		if start > 1<<precision && float64(next-start) > 0.01*float64(start) {
			t.Fatalf("bucket %d is from %d to %d", i, start, next)
		}
	}
	for _, d := range []time.Duration{-1, 1 << 62} {
		var h histogram
		h.add(d) // does not panic
	}
}
