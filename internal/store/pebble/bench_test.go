package pebble

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// valueBytes is the size of a sealed secret with its versions, about.
const valueBytes = 2400

func randomValue() []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	value := make([]byte, 0, valueBytes)
	for len(value) < valueBytes {
		value = binary.BigEndian.AppendUint64(value, rng.Uint64())
	}
	return value
}

// BenchmarkPut writes values durably. Beside the time of one it reports how many
// were written for each append and sync that the same directory makes of the
// same bytes, one after the other, in the same run.
func BenchmarkPut(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			dir := b.TempDir()
			s := open(b, Config{Dir: filepath.Join(dir, "store")})
			value := randomValue()
			raw := syncRate(b, filepath.Join(dir, "raw"), value)
			b.SetBytes(valueBytes)
			b.ResetTimer()
			putAll(b, s, writers, value)
			b.StopTimer()
			rate := float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "puts/s")
			b.ReportMetric(rate/raw, "puts/sync")
		})
	}
}

// putAll writes b.N values from as many goroutines as there are writers.
func putAll(b *testing.B, s store.Store, writers int, value []byte) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				key := fmt.Appendf(nil, "v/%016d", n)
				err := s.Update(b.Context(), func(tx store.Tx) error {
					_, err := tx.Get(key)
					tx.Put(key, value)
					return err
				})
				if err != nil {
					b.Errorf("Update: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// syncRate returns how many times a second the value can be appended to a file
// and synced.
func syncRate(b *testing.B, name string, value []byte) float64 {
	b.Helper()
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const atLeast = 300 * time.Millisecond
	start, n := time.Now(), 0
	for ; time.Since(start) < atLeast; n++ {
		if _, err := f.Write(value); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(start).Seconds()
}

const benchRecords = 100_000

func benchKey(n int) []byte { return fmt.Appendf(nil, "v/%06d", n) }

// openFilled opens a store with benchRecords values of valueBytes.
func openFilled(b *testing.B) *Store {
	b.Helper()
	s := open(b, Config{Dir: b.TempDir()})
	value := randomValue()
	for start := 0; start < benchRecords; start += store.MaxUpdateWrites {
		err := s.Update(b.Context(), func(tx store.Tx) error {
			if _, err := tx.Get([]byte("owner")); err != nil {
				return err
			}
			for n := range store.MaxUpdateWrites {
				binary.BigEndian.PutUint64(value, uint64(start+n)) // no two blocks alike
				tx.Put(benchKey(start+n), value)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	// What was written last must not be faster for being in memory.
	if err := s.db.Flush(); err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkRead reads from 100,000 records, at random places.
func BenchmarkRead(b *testing.B) {
	s := openFilled(b)
	rng := rand.New(rand.NewPCG(3, 4))
	view := func(b *testing.B, fn func(v store.View) error) {
		b.Helper()
		if err := s.View(b.Context(), fn); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("Get=4", func(b *testing.B) {
		for b.Loop() {
			keys := [][]byte{benchKey(rng.IntN(benchRecords)), benchKey(rng.IntN(benchRecords)), benchKey(rng.IntN(benchRecords)), []byte("absent")}
			view(b, func(v store.View) error {
				records, err := v.Get(keys...)
				if err == nil && (len(records[0].Value) != valueBytes || records[3].Exists()) {
					b.Fatal("wrong records")
				}
				return err
			})
		}
	})
	// The keys of one request are the same again and again.
	b.Run("Get=4,warm", func(b *testing.B) {
		keys := [][]byte{benchKey(1), benchKey(2), benchKey(3), []byte("absent")}
		for b.Loop() {
			view(b, func(v store.View) error { _, err := v.Get(keys...); return err })
		}
	})
	b.Run("Scan=25", func(b *testing.B) {
		for b.Loop() {
			r := store.Range{Start: benchKey(rng.IntN(benchRecords - 25)), End: []byte("v~")}
			view(b, func(v store.View) error {
				entries, err := v.Scan(r, 25)
				if err == nil && len(entries) != 25 {
					b.Fatal("wrong entries")
				}
				return err
			})
		}
	})
}
