package vault

import (
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]duration{
		"P90D":             {0, 90 * day},
		"P3M":              {3, 0},
		"PT48H":            {0, 2 * day},
		"P1Y10D":           {12, 10 * day},
		"P2W":              {0, 14 * day},
		"P1Y2M3W4DT5H6M7S": {14, 25*day + 5*3600 + 6*60 + 7},
		"PT1M":             {0, 60},
		"P0D":              {},
		"P0001Y":           {12, 0},
		"P1000Y":           {12000, 0},
		"P12000M":          {12000, 0},
		"P366000D":         {0, 366000 * day},
	} {
		if got, ok := parseDuration(text); !ok || got != want {
			t.Errorf("%s is %+v, %t; want %+v", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "P", "PT", "T", "90D", "P90", "P90d", "p90D", "-P90D", "P-90D", "+P90D", "P+90D", "P 90D", " P90D", "P90D ", "P90DT", "P1DT1D", "PT1Y", "P1H",
		"P1D1Y", "P1D1D", "PT1S1M", "P1.5D", "PT0,5S", "P1YT", "P1T", "PT1", "PTT1H", "PT1HT1M", "PD", "PT1HM", "90", "00:30:00", "P1M1W1M",
		"P1001Y", "P999Y13M", "P12001M", "P366001D", "P999999999999999999999D", "PT99999999999999999999S", "P1Y\x00", "P٣D", "P" + strings.Repeat("0", maxDuration) + "1D",
	} {
		if got, ok := parseDuration(text); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

// Months and years are those of the calendar; where a month has no such day, it
// is the month's last.
func TestDurationArithmetic(t *testing.T) {
	t.Parallel()
	at := func(text string) int64 { return must(time.Parse(time.RFC3339, text))(t).Unix() }
	for _, tt := range []struct{ from, d, after, before string }{
		{"2026-11-26T17:00:01Z", "P30D", "2026-12-26T17:00:01Z", "2026-10-27T17:00:01Z"},
		{"2026-11-26T17:00:01Z", "P1M", "2026-12-26T17:00:01Z", "2026-10-26T17:00:01Z"},
		{"2027-01-31T00:00:00Z", "P1M", "2027-02-28T00:00:00Z", "2026-12-31T00:00:00Z"},
		{"2028-03-31T23:59:59Z", "P1M", "2028-04-30T23:59:59Z", "2028-02-29T23:59:59Z"},
		{"2028-02-29T12:00:00Z", "P1Y", "2029-02-28T12:00:00Z", "2027-02-28T12:00:00Z"},
		{"2028-02-29T12:00:00Z", "P4Y", "2032-02-29T12:00:00Z", "2024-02-29T12:00:00Z"},
		{"2026-01-31T00:00:00Z", "P18M", "2027-07-31T00:00:00Z", "2024-07-31T00:00:00Z"},
		{"2026-01-31T00:00:00Z", "P1M1DT1H1M1S", "2026-03-01T01:01:01Z", "2025-12-29T22:58:59Z"},
		{"1970-01-01T00:00:00Z", "P1Y", "1971-01-01T00:00:00Z", "1969-01-01T00:00:00Z"},
	} {
		d, ok := parseDuration(tt.d)
		if after, before := d.after(at(tt.from)), d.before(at(tt.from)); !ok || after != at(tt.after) || before != at(tt.before) {
			t.Errorf("%s: %s after it is %v, and before it %v", tt.from, tt.d, time.Unix(after, 0).UTC(), time.Unix(before, 0).UTC())
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, seed := range []string{"P90D", "P1Y2M3W4DT5H6M7S", "PT48H", "P1000Y", "P", "PT", "P1M1W1M", "PT99999999999999999999S"} {
		f.Add(seed, int64(1_800_000_000))
	}
	f.Fuzz(func(t *testing.T, text string, from int64) {
		d, ok := parseDuration(text)
		if !ok {
			return
		}
		if len(text) > maxDuration || d.months < 0 || d.seconds < 0 || d.months > 12*maxYears || d.seconds > maxYears*366*day {
			t.Fatalf("%q is %+v", text, d)
		}
		from = max(0, min(from, maxTime))
		if after, before := d.after(from), d.before(from); after < from || before > from || after > from+2*maxYears*366*day {
			t.Fatalf("%q after %d is %d, and before it %d", text, from, after, before)
		}
	})
}
