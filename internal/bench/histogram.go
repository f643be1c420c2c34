package bench

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets that are less than one percent wide, so
// that a percentile costs no memory per request.
type histogram struct {
	counts [buckets]uint32
	total  uint64
}

const (
	// A bucket is told by the duration's highest bit and the precision bits
	// that follow it.
	precision = 7
	// The largest duration that is told apart from larger ones is over an hour.
	buckets = (42 - precision + 1) << precision
)

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(uint64(max(d, 0)))]++
	h.total++
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
}

// quantile returns the duration that the part q of all did not exceed: the lower
// end of its bucket. It is zero when there is none.
func (h *histogram) quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.total))
	for i, n := range h.counts {
		if uint64(n) > rank {
			return time.Duration(bucketStart(i))
		}
		rank -= uint64(n)
	}
	return 0
}

func bucketOf(n uint64) int {
	shift := max(0, bits.Len64(n)-precision-1)
	return min(shift<<precision+int(n>>shift), buckets-1)
}

func bucketStart(i int) uint64 {
	shift := max(0, i>>precision-1)
	return uint64(i-shift<<precision) << shift
}
