package server

// handlerStack is more than what the frames of a request take.
const handlerStack = 3 << 10

// growStack has the goroutine's stack grow to what a request will need. HTTP/2 has a
// new goroutine for each, with a small stack that is moved whenever it is too small:
// once, before there are many frames on it, costs the least.
//
//go:noinline
func growStack() byte {
	var room [handlerStack]byte
	return room[touch(room[:])]
}

// touch keeps the room from being optimised away.
//
//go:noinline
func touch(room []byte) int { return len(room) - 1 }
