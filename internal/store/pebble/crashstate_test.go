package pebble

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// The writers of the crash test number their updates. Everything that a writer
// has in the database follows from the number of its last update, so that an
// update that is there in part shows, whichever part it is. Besides, all of them
// count in one record.

const countKey = "count"

func headKey(writer int) string    { return fmt.Sprintf("writer %d/head", writer) }
func scratchKey(writer int) string { return fmt.Sprintf("writer %d/scratch", writer) }
func bodyKey(writer, n int) string { return fmt.Sprintf("writer %d/body/%06d", writer, n) }

// body is 100 to 4000 bytes that belong to one update.
func body(writer, n int) string {
	rng := rand.New(rand.NewPCG(uint64(writer), uint64(n)))
	b := make([]byte, 0, 4096)
	for range 12 + rng.IntN(490) {
		b = binary.BigEndian.AppendUint64(b, rng.Uint64())
	}
	return string(b)
}

// writeStep is update n of the writer.
func writeStep(tx store.Tx, writer, n int) error {
	records, err := tx.Get([]byte(headKey(writer)), []byte(countKey))
	if err != nil {
		return err
	}
	if got := string(records[0].Value); n > 1 && got != strconv.Itoa(n-1) {
		return fmt.Errorf("writer %d is at %q before update %d", writer, got, n)
	}
	count, _ := strconv.Atoi(string(records[1].Value))
	tx.Put([]byte(countKey), []byte(strconv.Itoa(count+1)))
	tx.Put([]byte(headKey(writer)), []byte(strconv.Itoa(n)))
	tx.Put([]byte(bodyKey(writer, n)), []byte(body(writer, n)))
	if n%2 == 0 {
		tx.Delete([]byte(scratchKey(writer)))
	} else {
		tx.Put([]byte(scratchKey(writer)), []byte(strconv.Itoa(n)))
	}
	if n%4 == 0 {
		tx.DeleteRange(store.Range{Start: []byte(bodyKey(writer, 0)), End: []byte(bodyKey(writer, n-1))})
	}
	return nil
}

// expected returns what a writer has in the database after update n.
func expected(writer, n int) map[string]string {
	all := map[string]string{}
	if n == 0 {
		return all
	}
	all[headKey(writer)] = strconv.Itoa(n)
	if n%2 != 0 {
		all[scratchKey(writer)] = strconv.Itoa(n)
	}
	for i := max(1, n-n%4-1); i <= n; i++ {
		all[bodyKey(writer, i)] = body(writer, i)
	}
	return all
}

// crashState is all that the writers have in the database.
type crashState struct {
	records   map[string]string
	revisions map[string]store.Revision
	heads     [crashWriters]int
	count     int
}

func readState(v store.View) (*crashState, error) {
	entries, err := v.Scan(store.Range{Start: []byte(countKey), End: []byte("writer~")}, store.MaxScan)
	if err != nil {
		return nil, err
	}
	s := &crashState{records: map[string]string{}, revisions: map[string]store.Revision{}}
	for _, e := range entries {
		s.records[string(e.Key)] = string(e.Value)
		s.revisions[string(e.Key)] = e.Revision
	}
	for w := range s.heads {
		s.heads[w], _ = strconv.Atoi(s.records[headKey(w)])
	}
	s.count, _ = strconv.Atoi(s.records[countKey])
	return s, nil
}

// check says what is not as the heads tell, or nothing.
func (s *crashState) check() string {
	want, sum := map[string]string{}, 0
	for w, n := range s.heads {
		maps.Copy(want, expected(w, n))
		sum += n
	}
	if sum > 0 {
		want[countKey] = strconv.Itoa(sum)
	}
	var wrong []string
	for key, value := range s.records {
		if other, ok := want[key]; !ok {
			wrong = append(wrong, key+" is there")
		} else if value != other {
			wrong = append(wrong, fmt.Sprintf("%s is %.10q and not %.10q", key, value, other))
		}
	}
	for key := range want {
		if _, ok := s.records[key]; !ok {
			wrong = append(wrong, key+" is missing")
		}
	}
	if len(wrong) == 0 {
		return ""
	}
	slices.Sort(wrong)
	return fmt.Sprintf("heads %v and %s", s.heads, strings.Join(wrong, ", "))
}

// heads returns the last update of each writer.
func heads(t *testing.T, s *Store) [crashWriters]int {
	t.Helper()
	var state *crashState
	err := s.View(t.Context(), func(v store.View) (err error) {
		state, err = readState(v)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return state.heads
}
