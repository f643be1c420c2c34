package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

var boundTests = []test{
	{"LongestKey", testMaxKey},
	{"KeyTooLong", testKeyTooLong},
	{"EmptyKey", testEmptyKey},
	{"LongestValue", testMaxValue},
	{"ValueTooLong", testValueTooLong},
	{"MostWrites", testMaxWrites},
	{"TooManyWrites", testTooManyWrites},
	{"MostBytes", testMaxBytes},
	{"TooManyBytes", testTooManyBytes},
	{"OwnErrorComesFirst", testBoundsOwnError},
	{"LargestScan", testMaxScan},
	{"ScanTooLarge", testScanTooLarge},
}

func testMaxKey(t *testing.T, s store.Store) {
	for _, fill := range []string{"\x00", "k", "\xfe"} {
		key := strings.Repeat(fill, store.MaxKey)
		mustPut(t, s, key, "value")
		if got := mustGet(t, s, key)[0]; string(got.Value) != "value" {
			t.Errorf("of %q: %+v", fill, got)
		}
		wantEntries(t, mustScan(t, s, span(key, key+"\x00"), 1), key, "value")
		mustDelete(t, s, key)
		wantStore(t, s)
	}
}

// refused requires that the update is refused as too large, that nothing of it
// is written and that the store goes on working.
func refused(t *testing.T, s store.Store, what string, fn func(store.Tx)) {
	t.Helper()
	mustPut(t, s, "before", "0")
	err := s.Update(t.Context(), func(tx store.Tx) error {
		if err := put(tx, "before", "1"); err != nil {
			return err
		}
		fn(tx)
		return nil
	})
	if !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("%s: error %v, want %v", what, err, store.ErrTooLarge)
	}
	wantStore(t, s, "before", "0")
	mustPut(t, s, "before", "2")
	wantStore(t, s, "before", "2")
}

func testKeyTooLong(t *testing.T, s store.Store) {
	long := []byte(strings.Repeat("k", store.MaxKey+1))
	refused(t, s, "Put", func(tx store.Tx) { tx.Put(long, nil) })
	refused(t, s, "Delete", func(tx store.Tx) { tx.Delete(long) })
	refused(t, s, "Put before a good one", func(tx store.Tx) {
		tx.Put(long, nil)
		tx.Put([]byte("a"), nil)
	})
	err := s.View(t.Context(), func(v store.View) error { _, err := v.Get([]byte("a"), long); return err })
	wantErr(t, "Get in a View", err, store.ErrTooLarge)
	err = s.Update(t.Context(), func(tx store.Tx) error { _, err := tx.Get([]byte("a"), long); return err })
	wantErr(t, "Get in a Tx", err, store.ErrTooLarge)
}

func testEmptyKey(t *testing.T, s store.Store) {
	for _, key := range [][]byte{nil, {}} {
		if err := s.View(t.Context(), func(v store.View) error { _, err := v.Get(key); return err }); err == nil {
			t.Error("Get in a View is allowed")
		}
		if err := s.Update(t.Context(), func(tx store.Tx) error { _, err := tx.Get(key); return err }); err == nil {
			t.Error("Get in a Tx is allowed")
		}
		for name, write := range map[string]func(store.Tx){
			"Put":    func(tx store.Tx) { tx.Put(key, []byte("1")) },
			"Delete": func(tx store.Tx) { tx.Delete(key) },
		} {
			err := s.Update(t.Context(), func(tx store.Tx) error {
				if err := put(tx, "a", "1"); err != nil {
					return err
				}
				write(tx)
				return nil
			})
			if err == nil {
				t.Errorf("%s is allowed", name)
			}
		}
	}
	wantStore(t, s)
}

func testMaxValue(t *testing.T, s store.Store) {
	value := strings.Repeat("0123456789abcdef", store.MaxValue/16)
	mustPut(t, s, "a", value)
	if got := mustGet(t, s, "a")[0].Value; string(got) != value {
		t.Errorf("Get gave %d bytes, or others", len(got))
	}
	entries := mustScan(t, s, everything, 2)
	if len(entries) != 1 || string(entries[0].Value) != value {
		t.Error("Scan gave something else")
	}
}

func testValueTooLong(t *testing.T, s store.Store) {
	long := make([]byte, store.MaxValue+1)
	refused(t, s, "Put", func(tx store.Tx) { tx.Put([]byte("a"), long) })
	refused(t, s, "Put, deleted again", func(tx store.Tx) {
		tx.Put([]byte("a"), long)
		tx.Delete([]byte("a"))
	})
}

func testMaxWrites(t *testing.T, s store.Store) {
	var want []string
	mustUpdate(t, s, func(tx store.Tx) error {
		want = nil
		if _, err := tx.Get([]byte("owner")); err != nil {
			return err
		}
		for i := range store.MaxUpdateWrites - 2 {
			key := fmt.Sprintf("key %03d", i)
			tx.Put([]byte(key), []byte("1"))
			if i >= 2 {
				want = append(want, key, "1")
			}
		}
		tx.Delete([]byte("key 000"))
		tx.DeleteRange(span("key 001", "key 002"))
		return nil
	})
	wantStore(t, s, want...)
}

func testTooManyWrites(t *testing.T, s store.Store) {
	refused(t, s, "one Put too many", func(tx store.Tx) {
		for i := range store.MaxUpdateWrites {
			tx.Put(fmt.Appendf(nil, "key %03d", i), nil)
		}
	})
	refused(t, s, "one Delete too many", func(tx store.Tx) {
		for range store.MaxUpdateWrites {
			tx.Delete([]byte("a"))
		}
	})
	refused(t, s, "one DeleteRange too many", func(tx store.Tx) {
		for range store.MaxUpdateWrites {
			tx.DeleteRange(span("a", "b"))
		}
	})
	refused(t, s, "one write too many of one key", func(tx store.Tx) {
		for range store.MaxUpdateWrites {
			tx.Put([]byte("a"), nil)
		}
	})
}

// writeBytes puts three records of n bytes together, keys included.
func writeBytes(tx store.Tx, n int) {
	n -= 3 * len("a")
	tx.Put([]byte("a"), make([]byte, n/3))
	tx.Put([]byte("b"), make([]byte, n/3))
	tx.Put([]byte("c"), make([]byte, n-2*(n/3)))
}

func testMaxBytes(t *testing.T, s store.Store) {
	mustUpdate(t, s, func(tx store.Tx) error {
		if _, err := tx.Get([]byte("a")); err != nil {
			return err
		}
		writeBytes(tx, store.MaxUpdateBytes)
		return nil
	})
	sum := 0
	for _, r := range mustGet(t, s, "a", "b", "c") {
		sum += len("a") + len(r.Value)
	}
	if sum != store.MaxUpdateBytes {
		t.Errorf("%d bytes are there, want %d", sum, store.MaxUpdateBytes)
	}
}

func testTooManyBytes(t *testing.T, s store.Store) {
	// What refused itself writes counts as well.
	own := len("before") + len("1")
	refused(t, s, "one byte of a value too many", func(tx store.Tx) { writeBytes(tx, store.MaxUpdateBytes-own+1) })
	refused(t, s, "one byte of a deleted key too many", func(tx store.Tx) {
		writeBytes(tx, store.MaxUpdateBytes-own)
		tx.Delete([]byte("d"))
	})
}

func testBoundsOwnError(t *testing.T, s store.Store) {
	errOwn := errors.New("own")
	err := s.Update(t.Context(), func(tx store.Tx) error {
		if err := put(tx, "a", "1"); err != nil {
			return err
		}
		tx.Put([]byte("b"), make([]byte, store.MaxValue+1))
		return errOwn
	})
	if err != errOwn {
		t.Errorf("error %v, want the function's own", err)
	}
	wantStore(t, s)
}

func testMaxScan(t *testing.T, s store.Store) {
	const records = store.MaxScan + 1
	for start := 0; start < records; start += store.MaxUpdateWrites {
		mustUpdate(t, s, func(tx store.Tx) error {
			if _, err := tx.Get([]byte("owner")); err != nil {
				return err
			}
			for i := start; i < min(start+store.MaxUpdateWrites, records); i++ {
				tx.Put(fmt.Appendf(nil, "key %06d", i), nil)
			}
			return nil
		})
	}
	entries := mustScan(t, s, everything, store.MaxScan)
	if len(entries) != store.MaxScan {
		t.Fatalf("%d entries, want %d", len(entries), store.MaxScan)
	}
	for i, e := range entries {
		if want := fmt.Sprintf("key %06d", i); string(e.Key) != want {
			t.Fatalf("entry %d is %q, want %q", i, e.Key, want)
		}
	}
	rest := mustScan(t, s, store.Range{Start: append(entries[len(entries)-1].Key, 0), End: everything.End}, store.MaxScan)
	wantEntries(t, rest, fmt.Sprintf("key %06d", store.MaxScan), "")
}

func testScanTooLarge(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1")
	scan := func(limit int) error {
		return s.View(t.Context(), func(v store.View) error { _, err := v.Scan(everything, limit); return err })
	}
	wantErr(t, "one entry too many", scan(store.MaxScan+1), store.ErrTooLarge)
	for _, limit := range []int{0, -1} {
		if scan(limit) == nil {
			t.Errorf("a limit of %d is allowed", limit)
		}
	}
}
