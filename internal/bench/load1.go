package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// caller1 speaks HTTP/1.1 with keep-alive.
type caller1 struct {
	conn     net.Conn
	requests *requests
	start    []byte // the request up to the path
	rest     string // and what follows it
	request  []byte
	answer   []byte // room for an answer
}

// maxAnswer bounds an answer with its header: a page of a list is the largest.
const maxAnswer = 64 << 10

func newCaller1(conn net.Conn, r *requests) *caller1 {
	return &caller1{conn: conn, requests: r, start: []byte(r.method() + " "), rest: r.rest(), answer: make([]byte, maxAnswer)}
}

func (c *caller1) call(more func() bool, took *histogram) error {
	for more() {
		sent := time.Now()
		status, answer, err := c.once()
		if err != nil {
			return err
		}
		took.add(time.Since(sent))
		if status != http.StatusOK {
			return fmt.Errorf("an unexpected answer: %q", answer[:min(len(answer), 1<<10)])
		}
	}
	return nil
}

func (c *caller1) close() error { return c.conn.Close() }

// once sends one request and returns its answer with the header, which is good
// until the next call.
func (c *caller1) once() (status int, answer []byte, err error) {
	c.request = append(c.request[:0], c.start...)
	c.request = c.requests.appendPath(c.request, c.requests.pick())
	c.request = append(c.request, c.rest...)
	if _, err := c.conn.Write(c.request); err != nil {
		return 0, nil, err
	}
	filled, size := 0, -1
	for size < 0 || filled < size {
		if filled == len(c.answer) {
			return 0, nil, errors.New("an answer is larger than any that was expected")
		}
		n, err := c.conn.Read(c.answer[filled:])
		if err != nil {
			return 0, nil, err
		}
		filled += n
		if end := bytes.Index(c.answer[:filled], endOfHeader); size < 0 && end >= 0 {
			if status, size, err = readHeader(c.answer[:end+2]); err != nil {
				return 0, nil, err
			}
			size += end + len(endOfHeader)
		}
	}
	if filled > size {
		return 0, nil, errors.New("an answer is followed by what nobody asked for")
	}
	return status, c.answer[:filled], nil
}

var (
	endOfHeader   = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")
	startOfStatus = []byte("HTTP/1.1 ")
)

// readHeader returns the status and the length of the body that follows. The
// header is as net/http writes it, up to the end of its last line.
func readHeader(header []byte) (status, size int, err error) {
	line, found := bytes.CutPrefix(header, startOfStatus)
	if !found || len(line) < 3 {
		return 0, 0, errors.New("an answer is not one of HTTP/1.1")
	}
	_, length, found := bytes.Cut(header, contentLength)
	if !found {
		return 0, 0, errors.New("an answer does not say how long it is")
	}
	length, _, _ = bytes.Cut(length, []byte("\r\n"))
	if status, err = strconv.Atoi(string(line[:3])); err == nil {
		size, err = strconv.Atoi(string(length))
	}
	if err != nil || size < 0 || size > maxAnswer {
		return 0, 0, errors.New("an answer has a header that cannot be read")
	}
	return status, size, nil
}
