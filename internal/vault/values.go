package vault

import (
	"bytes"
	"sync"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Bounds of the cache of values: most secrets are a few hundred bytes long.
const (
	cachedValueBytes = 2 << 20
	maxCachedValue   = 4 << 10
	// valueOverhead is what an entry costs besides its key and value, about.
	valueOverhead = 100
)

// valueCache holds the values of secrets that were read lately, each under the
// revision of the record that it was sealed in. It gives out copies, so that it
// can overwrite what it drops. It is safe for concurrent use.
type valueCache struct {
	mu    sync.RWMutex // guards all below
	bytes int          // what the entries cost
	m     map[string]cachedValue
}

type cachedValue struct {
	revision store.Revision
	value    []byte
}

func (e cachedValue) cost(key string) int { return len(key) + len(e.value) + valueOverhead }

// get returns a copy of the value of a record that has the revision now.
func (c *valueCache) get(key []byte, now store.Revision) (value []byte, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.m[string(key)]
	if !ok || e.revision != now {
		return nil, false
	}
	return bytes.Clone(e.value), true
}

// put keeps a copy of a value; arbitrary others make room for it.
func (c *valueCache) put(key []byte, revision store.Revision, value []byte) {
	if len(value) > maxCachedValue {
		return
	}
	e := cachedValue{revision, bytes.Clone(value)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(string(key))
	for victim := range c.m {
		if c.bytes+e.cost(string(key)) <= cachedValueBytes {
			break
		}
		c.drop(victim)
	}
	if c.m == nil {
		c.m = map[string]cachedValue{}
	}
	c.m[string(key)] = e
	c.bytes += e.cost(string(key))
}

func (c *valueCache) drop(key string) {
	if e, ok := c.m[key]; ok {
		clear(e.value)
		delete(c.m, key)
		c.bytes -= e.cost(key)
	}
}
