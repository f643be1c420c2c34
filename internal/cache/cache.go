// Package cache is a bounded map for what can be derived again.
//
// It guarantees a bound on the number of entries and nothing on how long one
// stays. It knows no time: whoever uses it keeps with each value the revision
// or the deadline that decides whether the value still holds.
package cache

import "sync"

// Map is a bounded map, safe for concurrent use. When it is full, an arbitrary
// entry makes room: that needs no bookkeeping on the read path, and an
// attacker who can add entries cannot choose which one leaves.
type Map[K comparable, V any] struct {
	max int
	mu  sync.RWMutex // guards m
	m   map[K]V
}

// New returns a map of at most max entries; max is at least 1.
func New[K comparable, V any](max int) *Map[K, V] {
	return &Map[K, V]{max: max, m: make(map[K]V)}
}

// Get returns the value of k.
func (c *Map[K, V]) Get(k K) (V, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.m[k]
	return v, ok
}

// Put sets the value of k.
func (c *Map[K, V]) Put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.m[k]; !ok && len(c.m) >= c.max {
		for victim := range c.m {
			delete(c.m, victim)
			break
		}
	}
	c.m[k] = v
}

// Delete removes k.
func (c *Map[K, V]) Delete(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, k)
}

// Len returns the number of entries.
func (c *Map[K, V]) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.m)
}
