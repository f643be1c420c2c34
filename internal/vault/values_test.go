package vault

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

func TestValueCache(t *testing.T) {
	t.Parallel()
	var c valueCache
	key, value := []byte("key"), []byte("s3cret")
	if _, ok := c.get(key, 1); ok {
		t.Error("a value that was never put")
	}
	c.put(key, 1, value)
	got, ok := c.get(key, 1)
	if !ok || string(got) != "s3cret" {
		t.Errorf("%q, %v", got, ok)
	}
	// What either side does to its bytes is its own business.
	clear(got)
	clear(value)
	if got, _ = c.get(key, 1); string(got) != "s3cret" {
		t.Errorf("shared: %q", got)
	}
	for _, other := range []store.Revision{0, 2} {
		if got, ok := c.get(key, other); ok {
			t.Errorf("%q under the revision %d", got, other)
		}
	}
	kept := c.m["key"].value
	c.put(key, 2, []byte("newer"))
	if got, ok := c.get(key, 2); !ok || string(got) != "newer" || len(c.m) != 1 {
		t.Errorf("%q, %v, %d entries", got, ok, len(c.m))
	}
	if !bytes.Equal(kept, make([]byte, len(kept))) {
		t.Errorf("what was replaced is not overwritten: %q", kept)
	}
	c.put([]byte("large"), 1, make([]byte, maxCachedValue+1))
	if _, ok := c.get([]byte("large"), 1); ok {
		t.Error("a value is kept that is too large")
	}
}

func TestValueCacheKeepsItsBound(t *testing.T) {
	t.Parallel()
	var c valueCache
	value := bytes.Repeat([]byte("v"), maxCachedValue)
	for i := range 2 * cachedValueBytes / maxCachedValue {
		c.put(fmt.Append(nil, i), 1, value[:maxCachedValue-i%100])
	}
	total := 0
	for key, e := range c.m {
		total += e.cost(key)
	}
	if c.bytes != total || total > cachedValueBytes || total < cachedValueBytes/2 {
		t.Errorf("%d bytes by its own account, %d in fact, at most %d", c.bytes, total, cachedValueBytes)
	}
}
