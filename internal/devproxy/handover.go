package devproxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"sync"
)

// handover is a listener whose connections come from the proxy.
type handover struct {
	conns chan net.Conn
	done  chan struct{} // closed by Close
	once  sync.Once
}

func newHandover() *handover {
	return &handover{conns: make(chan net.Conn), done: make(chan struct{})}
}

// give passes a connection to Accept. It reports false, and leaves the
// connection to the caller, once the listener is closed.
func (h *handover) give(conn net.Conn) bool {
	select {
	case h.conns <- conn:
		return true
	case <-h.done:
		return false
	}
}

func (h *handover) isClosed() bool {
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}

// Accept returns the next connection to one of the vault's names.
func (h *handover) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

// Close makes Accept return net.ErrClosed.
func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

// Addr returns an address that says what listens; it cannot be dialed.
func (h *handover) Addr() net.Addr { return handoverAddr{} }

type handoverAddr struct{}

func (handoverAddr) Network() string { return "okv-dev-proxy" }
func (handoverAddr) String() string  { return "okv-dev-proxy" }

// bufferedConn is a connection of which the beginning has been read already.
type bufferedConn struct {
	net.Conn
	r io.Reader // what has been read, then the connection
}

// withBuffered returns a connection that first reads what r, a reader of conn,
// holds already.
func withBuffered(conn net.Conn, r *bufio.Reader) net.Conn {
	early, _ := r.Peek(r.Buffered()) // no error: the bytes are there
	if len(early) == 0 {
		return conn
	}
	return &bufferedConn{conn, io.MultiReader(bytes.NewReader(bytes.Clone(early)), conn)}
}

func (c *bufferedConn) Read(b []byte) (int, error) { return c.r.Read(b) }

// CloseWrite ends the outgoing half, if the connection can do that.
func (c *bufferedConn) CloseWrite() error { return closeWrite(c.Conn) }

// closeWrite ends the outgoing half of a connection, or all of it where there
// is no such thing.
func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
