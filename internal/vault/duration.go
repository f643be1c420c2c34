package vault

import (
	"strings"
	"time"
)

const (
	secondsPerDay = 24 * 60 * 60
	// maxDuration is the longest text of a duration: seven numbers and their
	// letters have room.
	maxDuration = 64
	// maxYears bounds a duration, so that no sum of it and a date overflows.
	maxYears = 1000
)

// duration is an ISO 8601 duration. Years and months are of the calendar; days
// are of 24 hours, for every date is in UTC.
type duration struct{ months, seconds int64 }

// unit is a letter of a duration and what it counts.
type unit struct {
	letter byte
	length duration
}

var (
	dateUnits = []unit{{'Y', duration{12, 0}}, {'M', duration{1, 0}}, {'W', duration{0, 7 * secondsPerDay}}, {'D', duration{0, secondsPerDay}}}
	timeUnits = []unit{{'H', duration{0, 60 * 60}}, {'M', duration{0, 60}}, {'S', duration{0, 1}}}
)

// parseDuration reads PnYnMnWnDTnHnMnS: whole numbers, in this order, at least
// one of them, and after a T at least one.
func parseDuration(s string) (d duration, ok bool) {
	rest, found := strings.CutPrefix(s, "P")
	if !found || len(s) > maxDuration {
		return duration{}, false
	}
	date, clock, timed := strings.Cut(rest, "T")
	if date == "" && !timed || timed && clock == "" {
		return duration{}, false
	}
	return d, d.add(date, dateUnits) && d.add(clock, timeUnits)
}

// add adds what text says in the units, and reports whether it says it well.
func (d *duration) add(text string, units []unit) bool {
	for text != "" {
		n, digits := int64(0), 0
		for digits < len(text) && '0' <= text[digits] && text[digits] <= '9' {
			if n = 10*n + int64(text[digits]-'0'); n > maxYears*366*secondsPerDay {
				return false
			}
			digits++
		}
		if digits == 0 || digits == len(text) {
			return false
		}
		for len(units) > 0 && units[0].letter != text[digits] {
			units = units[1:]
		}
		if len(units) == 0 || n > maxYears*366*secondsPerDay/(units[0].length.seconds+units[0].length.months) {
			return false
		}
		d.months += n * units[0].length.months
		d.seconds += n * units[0].length.seconds
		if d.months > 12*maxYears || d.seconds > maxYears*366*secondsPerDay {
			return false
		}
		text, units = text[digits+1:], units[1:]
	}
	return true
}

// after returns the time that is d after t. Where a month is too short for the
// day, it is the month's last.
func (d duration) after(t int64) int64 { return addMonths(t, d.months) + d.seconds }

// before returns the time that is d before t.
func (d duration) before(t int64) int64 { return addMonths(t, -d.months) - d.seconds }

func addMonths(t, months int64) int64 {
	if months == 0 {
		return t
	}
	at := time.Unix(t, 0).UTC()
	first := time.Date(at.Year(), at.Month()+time.Month(months), 1, at.Hour(), at.Minute(), at.Second(), 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(at.Day(), last)-1).Unix()
}

// always reports whether ok holds for a version made in any month. Months differ
// in length, so a policy is checked against all of a leap cycle.
func always(ok func(created int64) bool) bool {
	for month := range time.Month(48) {
		if !ok(time.Date(2024, 1+month, 1, 0, 0, 0, 0, time.UTC).Unix()) {
			return false
		}
	}
	return true
}
