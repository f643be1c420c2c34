package cache_test

import (
	"sync"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/cache"
)

func TestMapKeepsItsBound(t *testing.T) {
	c := cache.New[int, string](3)
	for i := range 100 {
		c.Put(i, "v")
		if v, ok := c.Get(i); !ok || v != "v" {
			t.Fatalf("entry %d is missing right after Put", i)
		}
	}
	if c.Len() != 3 {
		t.Errorf("Len = %d, want 3", c.Len())
	}
}

func TestPutOfAPresentKeyEvictsNothing(t *testing.T) {
	c := cache.New[string, int](2)
	c.Put("a", 1)
	c.Put("b", 2)
	c.Put("a", 3)
	if a, _ := c.Get("a"); a != 3 {
		t.Errorf("a = %d, want 3", a)
	}
	if _, ok := c.Get("b"); !ok {
		t.Error("b was evicted by an update of a")
	}
	c.Delete("a")
	if _, ok := c.Get("a"); ok {
		t.Error("a is still there after Delete")
	}
}

func TestAMissIsTheZeroValue(t *testing.T) {
	c := cache.New[string, *int](1)
	if v, ok := c.Get("absent"); ok || v != nil {
		t.Errorf("Get = %v, %v, want nothing", v, ok)
	}
	c.Delete("absent")
	if c.Len() != 0 {
		t.Errorf("Len = %d, want 0", c.Len())
	}
	c.Put("a", nil)
	if v, ok := c.Get("a"); !ok || v != nil {
		t.Errorf("Get = %v, %v: a stored zero value is a hit", v, ok)
	}
	c.Put("b", nil)
	if _, ok := c.Get("a"); ok || c.Len() != 1 {
		t.Errorf("%d entries in a map of 1", c.Len())
	}
}

// TestConcurrently lets many add, read and delete at once. Whatever is found
// belongs to its key, and the bound holds at every moment.
func TestConcurrently(t *testing.T) {
	const bound = 16
	c := cache.New[int, int](bound)
	var using sync.WaitGroup
	for worker := range 8 {
		using.Go(func() {
			for i := range 2000 {
				k := (i*7 + worker) % (3 * bound)
				switch i % 3 {
				case 0:
					c.Put(k, -k)
				case 1:
					if v, ok := c.Get(k); ok && v != -k {
						t.Errorf("key %d has the value %d", k, v)
					}
				default:
					c.Delete(k)
				}
				if n := c.Len(); n > bound {
					t.Errorf("%d entries, want at most %d", n, bound)
				}
			}
		})
	}
	using.Wait()
}
