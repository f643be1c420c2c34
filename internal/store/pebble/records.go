package pebble

import (
	"math"
	"sync"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

// Bounds of the cache of records. It fills with use, as Pebble's own does.
const (
	maxCachedBytes = 8 << 20
	maxCachedValue = 8 << 10
	// cachedOverhead is what an entry costs besides its key and value, about.
	cachedOverhead = 160
	// maxSweptRanges is how many removed ranges are looked for among the
	// entries, which are tens of thousands; more empty the cache.
	maxSweptRanges = 8
)

// unread marks a record that is not known yet. It is no revision: they count
// from one.
const unread = store.Revision(math.MaxUint64)

// recordCache holds records that were read lately, absent ones too, as they are
// in the published state: a read of one of them does not go through the levels
// of the tree. States are numbered. An entry is the record of every state from
// the one that it was read in, or written by, up to the present one: whatever
// replaces or removes a record replaces or removes its entry, before anybody can
// see the next state. So a view of an older state finds what has not changed
// since and nothing else.
type recordCache struct {
	mu    sync.RWMutex
	state uint64 // the present one
	bytes int    // what the entries cost
	m     map[string]cachedRecord
}

type cachedRecord struct {
	store.Record        // the value is shared and never changed
	since        uint64 // the first state that it is known to be of
}

func (e cachedRecord) cost(key string) int { return len(key) + len(e.Value) + cachedOverhead }

// find fills in those of the unread records of a state that are known. Their
// values are shared. It returns how many are still unread.
func (c *recordCache) find(state uint64, keys [][]byte, records []store.Record) (missing int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for i, key := range keys {
		if records[i].Revision != unread {
			continue
		}
		if e, ok := c.m[string(key)]; ok && e.since <= state {
			records[i] = e.Record
		} else {
			missing++
		}
	}
	return missing
}

// compare reports whether the records of a state are as the stamps say, if it is
// known of all of them or, of one, that it is not.
func (c *recordCache) compare(state uint64, stamps []store.Stamp) (same, known bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	known = true
	for _, s := range stamps {
		switch e, ok := c.m[string(s.Key)]; {
		case !ok || e.since > state:
			known = false
		case e.Revision != s.Revision:
			return false, true
		}
	}
	return known, known
}

// keep adds a record that was read in a state, unless there has been another
// state since: the record may have changed. It takes over the value.
func (c *recordCache) keep(state uint64, key []byte, r store.Record) {
	if len(r.Value) > maxCachedValue {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != state {
		return
	}
	if _, ok := c.m[string(key)]; !ok {
		c.put(string(key), cachedRecord{r, state})
	}
}

// advance makes state the present one, which the group's writes have led to.
func (c *recordCache) advance(state uint64, g *group) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = state
	c.removeRanges(g.ranges)
	for key, r := range g.written {
		old, ok := c.m[key]
		if !ok {
			continue // who writes does not always read
		}
		c.remove(key, old)
		if len(r.Value) <= maxCachedValue {
			c.put(key, cachedRecord{r, state})
		}
	}
}

func (c *recordCache) removeRanges(ranges []keyRange) {
	if len(ranges) > maxSweptRanges {
		clear(c.m)
		c.bytes = 0
		return
	}
	for _, r := range ranges {
		for key, e := range c.m {
			if r.holds(key) {
				c.remove(key, e)
			}
		}
	}
}

// put adds an entry; arbitrary others make room for it.
func (c *recordCache) put(key string, e cachedRecord) {
	for victim, old := range c.m {
		if c.bytes+e.cost(key) <= maxCachedBytes {
			break
		}
		c.remove(victim, old)
	}
	if c.m == nil {
		c.m = map[string]cachedRecord{}
	}
	c.m[key] = e
	c.bytes += e.cost(key)
}

func (c *recordCache) remove(key string, e cachedRecord) {
	delete(c.m, key)
	c.bytes -= e.cost(key)
}

// read fills in the unread ones of the records of a snapshot. All values are the
// caller's afterwards.
func (s *Store) read(from *snapshot, keys [][]byte, records []store.Record) error {
	if s.records.find(from.state, keys, records) > 0 {
		var buf []byte
		for i, key := range keys {
			if records[i].Revision != unread {
				continue
			}
			buf = recordKey(buf[:0], key)
			r, err := getRecord(from.Snapshot, buf)
			if err != nil {
				return err
			}
			s.records.keep(from.state, key, r)
			records[i] = r
		}
	}
	own(records)
	return nil
}

// own gives records values of their own, in one piece of memory.
func own(records []store.Record) {
	size := 0
	for i := range records {
		size += len(records[i].Value)
	}
	values := make([]byte, 0, size)
	for i := range records {
		r := &records[i]
		if r.Value == nil {
			continue
		}
		start := len(values)
		values = append(values, r.Value...)
		r.Value = values[start:len(values):len(values)]
	}
}

// unreadRecords returns room for the records of keys, which must be good ones.
func unreadRecords(keys [][]byte) ([]store.Record, error) {
	records := make([]store.Record, len(keys))
	for i, key := range keys {
		if err := checkKey(key); err != nil {
			return nil, err
		}
		records[i].Revision = unread
	}
	return records, nil
}

// keyRange is the keys k with start <= k < end.
type keyRange struct{ start, end string }

func (r keyRange) holds(key string) bool { return r.start <= key && key < r.end }
