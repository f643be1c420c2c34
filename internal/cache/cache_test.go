package cache_test

import (
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
