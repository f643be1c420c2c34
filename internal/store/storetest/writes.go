package storetest

import (
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

var writeTests = []test{
	{"PutInsertsAndReplaces", testPut},
	{"LastWriteOfAKeyWins", testLastWrite},
	{"Delete", testDelete},
	{"DeleteOfAnAbsentKey", testDeleteAbsent},
	{"DeleteRange", testDeleteRange},
	{"DeleteRangeOfAnEmptyRange", testDeleteEmptyRange},
	{"DeleteRangeAmongOwnWrites", testDeleteRangeOrder},
	{"UpdateWithoutWrites", testNoWrites},
	{"TxShowsItsOwnPuts", testOwnPut},
	{"TxShowsItsOwnDeletes", testOwnDelete},
	{"TxShowsItsOwnRanges", testOwnRange},
	{"TxShowsWhatIsCommitted", testTxSeesCommitted},
}

func testPut(t *testing.T, s store.Store) {
	mustPut(t, s, "b", "2")
	wantStore(t, s, "b", "2")
	mustPut(t, s, "a", "1", "b", "a longer value")
	wantStore(t, s, "a", "1", "b", "a longer value")
	mustPut(t, s, "b", "")
	wantStore(t, s, "a", "1", "b", "")
}

func testLastWrite(t *testing.T, s store.Store) {
	mustPut(t, s, "deleted", "0", "written", "0")
	mustUpdate(t, s, func(tx store.Tx) error {
		if _, err := tx.Get(byteKeys("deleted", "gone", "new", "written")...); err != nil {
			return err
		}
		tx.Put([]byte("new"), []byte("1"))
		tx.Put([]byte("new"), []byte("2"))
		tx.Put([]byte("gone"), []byte("1"))
		tx.Delete([]byte("gone"))
		tx.Put([]byte("deleted"), []byte("1"))
		tx.Delete([]byte("deleted"))
		tx.Delete([]byte("written"))
		tx.Put([]byte("written"), []byte("3"))
		return nil
	})
	wantStore(t, s, "new", "2", "written", "3")
}

func testDelete(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1", "b", "2", "c", "3")
	mustDelete(t, s, "b")
	wantAbsent(t, "after Delete", mustGet(t, s, "b")[0])
	wantStore(t, s, "a", "1", "c", "3")
	mustPut(t, s, "b", "4")
	wantStore(t, s, "a", "1", "b", "4", "c", "3")
}

func testDeleteAbsent(t *testing.T, s store.Store) {
	mustDelete(t, s, "a")
	mustPut(t, s, "b", "1")
	mustDelete(t, s, "a")
	wantStore(t, s, "b", "1")
}

func testDeleteRange(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1", "b", "2", "b\x00", "3", "bb", "4", "c", "5", "d", "6")
	mustDeleteRange(t, s, "b", "c")
	wantStore(t, s, "a", "1", "c", "5", "d", "6")
	mustPut(t, s, "b", "7")
	wantStore(t, s, "a", "1", "b", "7", "c", "5", "d", "6")
	mustDeleteRange(t, s, "", "c")
	wantStore(t, s, "c", "5", "d", "6")
	mustDeleteRange(t, s, "x", "y")
	wantStore(t, s, "c", "5", "d", "6")
}

func testDeleteEmptyRange(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1", "b", "2", "c", "3")
	for _, r := range emptyRanges {
		mustUpdate(t, s, func(tx store.Tx) error {
			if _, err := tx.Get([]byte("a")); err != nil {
				return err
			}
			tx.DeleteRange(r)
			return nil
		})
	}
	wantStore(t, s, "a", "1", "b", "2", "c", "3")
}

// What a range removes are the records that are there when it is called, those
// that the update has put before included, and none that it puts after.
func testDeleteRangeOrder(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1", "b", "2")
	mustUpdate(t, s, func(tx store.Tx) error {
		if _, err := tx.Get([]byte("owner")); err != nil {
			return err
		}
		tx.Put([]byte("aa"), []byte("3"))
		tx.Put([]byte("x"), []byte("4"))
		tx.DeleteRange(span("a", "c"))
		tx.Put([]byte("ab"), []byte("5"))
		tx.Put([]byte("b"), []byte("6"))
		return nil
	})
	wantStore(t, s, "ab", "5", "b", "6", "x", "4")
}

func testNoWrites(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1")
	ran := false
	mustUpdate(t, s, func(tx store.Tx) error {
		ran = true
		_, err := tx.Get([]byte("a"))
		return err
	})
	if !ran {
		t.Error("the function did not run")
	}
	wantStore(t, s, "a", "1")
}

// txRecords reads the keys and fails the test on an error.
func txRecords(t *testing.T, tx store.Tx, keys ...string) ([]store.Record, error) {
	t.Helper()
	records, err := tx.Get(byteKeys(keys...)...)
	if err == nil && len(records) != len(keys) {
		t.Errorf("Get of %d keys gave %d records", len(keys), len(records))
		records = make([]store.Record, len(keys))
	}
	return records, err
}

func testOwnPut(t *testing.T, s store.Store) {
	mustPut(t, s, "old", "1")
	old := revision(t, s, "old")
	mustUpdate(t, s, func(tx store.Tx) error {
		before, err := txRecords(t, tx, "old", "new")
		if err != nil {
			return err
		}
		wantRecord(t, "old before", before[0], "1", old)
		wantAbsent(t, "new before", before[1])
		for _, value := range []string{"2", "", "3"} {
			tx.Put([]byte("old"), []byte(value))
			tx.Put([]byte("new"), []byte(value))
			after, err := txRecords(t, tx, "new", "old", "other")
			if err != nil {
				return err
			}
			// The revision is that of the record replaced, so of none here.
			wantRecord(t, "new", after[0], value, 0)
			wantRecord(t, "old", after[1], value, old)
			wantAbsent(t, "other", after[2])
		}
		return nil
	})
	wantStore(t, s, "new", "3", "old", "3")
}

func testOwnDelete(t *testing.T, s store.Store) {
	mustPut(t, s, "old", "1")
	old := revision(t, s, "old")
	mustUpdate(t, s, func(tx store.Tx) error {
		if _, err := txRecords(t, tx, "old", "new"); err != nil {
			return err
		}
		tx.Delete([]byte("old"))
		tx.Put([]byte("new"), []byte("2"))
		tx.Delete([]byte("new"))
		after, err := txRecords(t, tx, "old", "new")
		if err != nil {
			return err
		}
		wantAbsent(t, "old", after[0])
		wantAbsent(t, "new", after[1])
		tx.Put([]byte("old"), []byte("3"))
		if after, err = txRecords(t, tx, "old"); err != nil {
			return err
		}
		wantRecord(t, "old, put again", after[0], "3", old)
		return nil
	})
	wantStore(t, s, "old", "3")
}

func testOwnRange(t *testing.T, s store.Store) {
	mustPut(t, s, "a", "1", "b", "2", "c", "3")
	b := revision(t, s, "b")
	c := revision(t, s, "c")
	mustUpdate(t, s, func(tx store.Tx) error {
		if _, err := txRecords(t, tx, "a", "b"); err != nil {
			return err
		}
		tx.Put([]byte("aa"), []byte("4"))
		tx.DeleteRange(span("a", "c"))
		tx.Put([]byte("b"), []byte("5"))
		after, err := txRecords(t, tx, "a", "aa", "b", "c")
		if err != nil {
			return err
		}
		wantAbsent(t, "start of the range", after[0])
		wantAbsent(t, "own write in the range", after[1])
		wantRecord(t, "put after the range", after[2], "5", b)
		wantRecord(t, "end of the range", after[3], "3", c)
		return nil
	})
	wantStore(t, s, "b", "5", "c", "3")
}

func testTxSeesCommitted(t *testing.T, s store.Store) {
	for _, value := range []string{"1", "2", "3"} {
		mustPut(t, s, "a", value)
		want := revision(t, s, "a")
		mustUpdate(t, s, func(tx store.Tx) error {
			records, err := txRecords(t, tx, "a")
			if err != nil {
				return err
			}
			wantRecord(t, "committed", records[0], value, want)
			return nil
		})
	}
}
