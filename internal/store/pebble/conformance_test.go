package pebble

import (
	"testing"

	crdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/openkeyvault/openkeyvault/internal/store"
	"github.com/openkeyvault/openkeyvault/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		storetest.Run(t, func(t *testing.T) store.Store {
			s, err := OpenMemory()
			if err != nil {
				t.Fatal(err)
			}
			return s
		})
	})
	t.Run("directory", func(t *testing.T) {
		t.Parallel()
		storetest.Run(t, func(t *testing.T) store.Store {
			return open(t, Config{Dir: t.TempDir()})
		})
	})
	// Records move through tables while they are used, and a larger update
	// becomes a table of its own.
	t.Run("small memtables", func(t *testing.T) {
		t.Parallel()
		storetest.Run(t, func(t *testing.T) store.Store {
			return open(t, Config{Dir: "store", FS: vfs.NewMem(), tune: smallMemtables})
		})
	})
}

// smallMemtables makes flushes, new segments of the log and compactions frequent.
func smallMemtables(o *crdb.Options) {
	o.MemTableSize = 32 << 10
	o.L0CompactionThreshold = 2
	o.TargetFileSizes[0] = 16 << 10
}
