package bench

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// caller2 speaks HTTP/2 (RFC 9113) as far as a load of GET requests needs: it
// sends headers that were encoded once, decodes of an answer no more than the
// status, and keeps the connection's window open. It does not measure how long a
// request takes.
type caller2 struct {
	conn     net.Conn
	requests *requests
	// headers are encoded headers by the number of the secret. They go on meaning
	// the same, because all that the peer's table takes is in it by then.
	headers  map[int][]byte
	streams  int
	next     uint32 // the id of the next stream
	consumed uint32 // bytes of data since the window was opened
	out      []byte // not yet sent
	in       []byte // received, not yet looked at: the first filled bytes
	filled   int
}

const (
	frameHeader  = 9
	maxFrame     = 16 << 10 // of the peer's frames: the default
	window       = 1 << 30
	streamWindow = 1 << 20
)

func newCaller2(conn net.Conn, r *requests, streams int) (*caller2, error) {
	if r.Op != opGet {
		return nil, fmt.Errorf("a load over HTTP/2 cannot %s", r.Op)
	}
	var hello bytes.Buffer
	hello.WriteString(http2.ClientPreface)
	framer := http2.NewFramer(&hello, nil)
	err := errors.Join(
		framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow}),
		framer.WriteWindowUpdate(0, window),
	)
	if err != nil {
		return nil, err
	}
	c := &caller2{
		conn: conn, requests: r, headers: map[int][]byte{}, streams: streams, next: 1,
		out: hello.Bytes(), in: make([]byte, 4*(frameHeader+maxFrame)),
	}
	return c, c.prepare()
}

// prepare encodes the headers about every secret in use. A first request, whose
// answer is waited for, fills the peer's table for all that follow.
func (c *caller2) prepare() error {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encode := func(i int) []byte {
		block.Reset()
		for _, f := range c.requests.fields(i) {
			_ = encoder.WriteField(f) // a bytes.Buffer takes everything
		}
		return bytes.Clone(block.Bytes())
	}
	c.send(encode(0))
	count, apart := c.requests.used()
	for i := range count {
		c.headers[i*apart] = encode(i * apart)
	}
	if !bytes.Equal(c.headers[0], encode(0)) {
		return errors.New("the headers of a request do not fit HPACK's table")
	}
	for ended := 0; ended == 0; {
		var err error
		if ended, err = c.exchange(); err != nil {
			return err
		}
	}
	return nil
}

// fields are the headers of a request of HTTP/2. No table takes the path, which
// would push out the others.
func (r *requests) fields(i int) []hpack.HeaderField {
	return []hpack.HeaderField{
		{Name: ":method", Value: r.method()}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: r.Host},
		{Name: ":path", Value: string(r.appendPath(nil, i)), Sensitive: true},
		{Name: "user-agent", Value: userAgent}, {Name: "accept", Value: "application/json"},
		{Name: "authorization", Value: "Bearer " + r.Token}, {Name: "x-ms-client-request-id", Value: requestID},
	}
}

// call keeps as many requests on their way as there are streams.
func (c *caller2) call(more func() bool, _ *histogram) error {
	waiting, free, going := 0, c.streams, true
	for {
		for ; free > 0 && going; free-- {
			if going = more(); going {
				c.send(c.headers[c.requests.pick()])
				waiting++
			}
		}
		if waiting == 0 {
			return nil
		}
		ended, err := c.exchange()
		if err != nil {
			return err
		}
		waiting, free = waiting-ended, ended
	}
}

func (c *caller2) close() error { return c.conn.Close() }

// send puts a request on the next stream.
func (c *caller2) send(headers []byte) {
	c.out = appendFrame(c.out, http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, c.next, headers)
	c.next += 2
}

func appendFrame(dst []byte, t http2.FrameType, flags http2.Flags, stream uint32, payload []byte) []byte {
	size := len(payload)
	dst = append(dst, byte(size>>16), byte(size>>8), byte(size), byte(t), byte(flags))
	return append(binary.BigEndian.AppendUint32(dst, stream), payload...)
}

// exchange sends what is to be sent, reads once, and returns how many answers
// have become complete.
func (c *caller2) exchange() (ended int, err error) {
	if len(c.out) > 0 {
		if _, err := c.conn.Write(c.out); err != nil {
			return 0, err
		}
		c.out = c.out[:0]
	}
	n, err := c.conn.Read(c.in[c.filled:])
	if err != nil {
		return 0, err
	}
	c.filled += n
	rest := c.in[:c.filled]
	for len(rest) >= frameHeader {
		size := int(rest[0])<<16 | int(rest[1])<<8 | int(rest[2])
		if size > maxFrame {
			return 0, errors.New("a frame is larger than allowed")
		}
		if len(rest) < frameHeader+size {
			break
		}
		end, err := c.receive(http2.FrameType(rest[3]), http2.Flags(rest[4]), rest[frameHeader:frameHeader+size])
		if err != nil {
			return 0, err
		}
		if end {
			ended++
		}
		rest = rest[frameHeader+size:]
	}
	c.filled = copy(c.in, rest)
	return ended, nil
}

// receive handles one frame and reports whether it ends an answer.
func (c *caller2) receive(t http2.FrameType, flags http2.Flags, payload []byte) (end bool, err error) {
	switch t {
	case http2.FrameHeaders:
		if !statusIs200(payload) {
			return false, errors.New("the answer is not the expected one")
		}
	case http2.FrameData:
		c.consumed += uint32(len(payload))
		if c.consumed > window/2 {
			c.out = appendFrame(c.out, http2.FrameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, c.consumed))
			c.consumed = 0
		}
	case http2.FrameSettings, http2.FramePing:
		if flags.Has(http2.FlagSettingsAck) { // the same bit in both
			return false, nil
		}
		if t == http2.FrameSettings {
			payload = nil
		}
		c.out = appendFrame(c.out, t, http2.FlagSettingsAck, 0, payload)
		return false, nil
	case http2.FrameWindowUpdate, http2.FrameContinuation:
		return false, nil
	default:
		return false, fmt.Errorf("an unexpected frame of type %s", t)
	}
	return flags.Has(http2.FlagDataEndStream), nil // the same bit in both
}

// statusIs200 reports whether encoded headers begin with the entry of HPACK's
// static table that is ":status: 200", after changes of the table's size.
func statusIs200(block []byte) bool {
	for len(block) > 0 && block[0]&0xe0 == 0x20 {
		block = block[1:]
	}
	return len(block) > 0 && block[0] == 0x88
}
