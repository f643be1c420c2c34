package devproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// copyBuffer is what is read at once, in bytes: two TLS records.
const copyBuffer = 32 << 10

// expired is a deadline that has passed: it ends what waits for a connection.
var expired = time.Unix(1, 0)

// tunnel copies between two connections until both directions have ended, one
// fails, nothing has moved in either for idle, or ctx ends. It closes neither.
func tunnel(ctx context.Context, near, far net.Conn, idle time.Duration) {
	cut := func() {
		_ = near.SetDeadline(expired)
		_ = far.SetDeadline(expired)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cut)()
	activity := &activity{idle: idle}
	activity.moved()
	var both sync.WaitGroup
	half := func(dst, src net.Conn) {
		// One side may have said all it has to say and still wait for the
		// other's answer. After a failure nothing more can come of it.
		if err := activity.copyHalf(ctx, dst, src); err != nil || closeWrite(dst) != nil {
			cancel()
		}
	}
	both.Go(func() { half(far, near) })
	both.Go(func() { half(near, far) })
	both.Wait()
}

// activity is when something last moved in either direction.
type activity struct {
	idle time.Duration
	last atomic.Int64 // wall clock, nanoseconds
}

func (a *activity) moved() { a.last.Store(time.Now().UnixNano()) }

// deadline is when the tunnel has been quiet for too long if nothing moves.
func (a *activity) deadline() time.Time { return time.Unix(0, a.last.Load()).Add(a.idle) }

// copyHalf copies until src ends, and then returns nil. While the other
// direction is in use this one may be quiet.
func (a *activity) copyHalf(ctx context.Context, dst, src net.Conn) error {
	b := make([]byte, copyBuffer)
	for {
		deadline := a.deadline()
		if err := src.SetReadDeadline(deadline); err != nil {
			return err
		}
		// The end of ctx has set a deadline that the one above may have undone.
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := src.Read(b)
		if n > 0 {
			a.moved()
			if err := a.write(ctx, dst, b[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && a.deadline().After(deadline):
		case errors.Is(err, io.EOF):
			return nil
		default:
			return err
		}
	}
}

func (a *activity) write(ctx context.Context, dst net.Conn, b []byte) error {
	if err := dst.SetWriteDeadline(time.Now().Add(a.idle)); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := dst.Write(b)
	return err
}
