package tuple

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/openkeyvault/openkeyvault/internal/store"
)

func str(s string) Element { return Element{String: s} }
func num(n uint64) Element { return Element{Uint: n, IsUint: true} }
func compareElements(a, b Element) int {
	switch {
	case a.IsUint && b.IsUint:
		return cmp.Compare(a.Uint, b.Uint)
	case a.IsUint:
		return 1
	case b.IsUint:
		return -1
	}
	return strings.Compare(a.String, b.String)
}

func compareTuples(a, b []Element) int { return slices.CompareFunc(a, b, compareElements) }

// nasty holds tuples whose naive encodings collide or sort wrongly.
var nasty = [][]Element{
	{},
	{str("")},
	{str(""), str("")},
	{str("\x00")},
	{str("\x00\x00")},
	{str("\x00\x01")},
	{str("\x00"), str("\x01")},
	{str("\x00\xff")},
	{str("\xff")},
	{str("\xff\xff")},
	{str("\x01")},
	{str("\x02")},
	{str("\x02a\x00\x01")},
	{str("a")},
	{str("a"), str("")},
	{str("a"), str("b")},
	{str("a\x00\x01\x02b")},
	{str("a\x00")},
	{str("a\x00b")},
	{str("a\x01")},
	{str("ab")},
	{str("ab"), num(0)},
	{str("a"), num(0)},
	{str("a"), num(0), str("")},
	{str("a"), num(255)},
	{str("a"), num(256)},
	{str("a"), num(math.MaxUint64)},
	{num(0)},
	{num(0), num(0)},
	{num(1)},
	{num(math.MaxUint64)},
	{num(math.MaxUint64), str("\xff")},
	{str("v"), str("0123"), str("live"), str("secret"), str("name")},
}

func TestKeyEncoding(t *testing.T) {
	t.Parallel()
	// The format is on disk: these bytes must never change.
	for _, tc := range []struct {
		name string
		got  []byte
		want string
	}{
		{"empty tuple", Key(), ""},
		{"empty string", Key(""), "\x02\x00\x01"},
		{"two strings", Key("v", "ab"), "\x02v\x00\x01\x02ab\x00\x01"},
		{"zero bytes", Key("\x00a\x00"), "\x02\x00\xffa\x00\xff\x00\x01"},
		{"integer", AppendUint(nil, 258), "\x03\x00\x00\x00\x00\x00\x00\x01\x02"},
		{"mixed", Append(AppendUint(Key("due"), 1), "x"), "\x02due\x00\x01\x03\x00\x00\x00\x00\x00\x00\x00\x01\x02x\x00\x01"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if string(tc.got) != tc.want {
				t.Errorf("got %q, want %q", tc.got, tc.want)
			}
		})
	}
}

func TestKeyAllocatesOnce(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { Key("v", "\x00\x00", "live") }); n != 1 {
		t.Errorf("Key makes %v allocations, want 1", n)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, elements := range nasty {
		got, err := Decode(Encode(elements...))
		if err != nil || !slices.Equal(got, elements) {
			t.Errorf("Decode(Encode(%+v)) = %+v, %v", elements, got, err)
		}
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	tuples := slices.Clone(nasty)
	for range 200 {
		tuples = append(tuples, randomTuple(rng))
	}
	for _, a := range tuples {
		for _, b := range tuples {
			checkPair(t, a, b)
		}
	}
}

func randomTuple(rng *rand.Rand) []Element {
	const alphabet = "\x00\x01\x02\x03\x04\xfe\xffab"
	elements := make([]Element, rng.IntN(4))
	for i := range elements {
		if rng.IntN(3) == 0 {
			elements[i] = num(rng.Uint64() >> rng.IntN(64))
			continue
		}
		b := make([]byte, rng.IntN(5))
		for j := range b {
			b[j] = alphabet[rng.IntN(len(alphabet))]
		}
		elements[i] = str(string(b))
	}
	return elements
}

// checkPair proves for two tuples that byte order is element-wise order, that
// only equal tuples share a key, and what Prefix and After hold.
func checkPair(t *testing.T, a, b []Element) {
	t.Helper()
	ka, kb := Encode(a...), Encode(b...)
	if got, want := bytes.Compare(ka, kb), compareTuples(a, b); got != want {
		t.Errorf("keys of %+v and %+v compare as %d, want %d", a, b, got, want)
	}
	extends := len(b) > len(a) && slices.Equal(a, b[:len(a)])
	if got := bytes.HasPrefix(kb, ka); got != (extends || slices.Equal(a, b)) {
		t.Errorf("key of %+v is a byte prefix of that of %+v: %t", a, b, got)
	}
	if got := contains(Prefix(ka), kb); got != extends {
		t.Errorf("Prefix(%+v) contains %+v: %t, want %t", a, b, got, extends)
	}
	wantAfter := compareTuples(b, a) > 0 && !extends
	if got := bytes.Compare(kb, After(ka)) >= 0; got != wantAfter {
		t.Errorf("%+v is at or behind After(%+v): %t, want %t", b, a, got, wantAfter)
	}
}

func contains(r store.Range, key []byte) bool {
	return bytes.Compare(r.Start, key) <= 0 && bytes.Compare(key, r.End) < 0
}

func TestBoundsDoNotShareMemory(t *testing.T) {
	t.Parallel()
	key := append(make([]byte, 0, 64), Key("a")...)
	r, after := Prefix(key), After(key)
	_ = Append(key, "overwrites the spare capacity")
	if !bytes.Equal(r.Start, append(Key("a"), tagString)) || !bytes.Equal(r.End, after) || !bytes.Equal(after, append(Key("a"), tagEnd)) {
		t.Errorf("bounds changed: %q %q %q", r.Start, r.End, after)
	}
}

func TestDecodeRefusesMalformed(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{
		"unknown tag":         "\x01a\x00\x01",
		"bound as key":        string(After(Key("a"))),
		"string cut short":    "\x02a",
		"escape cut short":    "\x02a\x00",
		"unknown escape":      "\x02a\x00\x02\x00\x01",
		"integer cut short":   "\x03\x00\x00",
		"garbage after tuple": string(Key("a")) + "\x00",
		"tag alone":           "\x02",
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Decode([]byte(key)); !errors.Is(err, ErrMalformed) {
				t.Errorf("Decode(%q) = %+v, %v; want ErrMalformed", key, got, err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, elements := range nasty {
		f.Add(Encode(elements...))
	}
	f.Add([]byte("\x02a\x00\x02\x00\x01"))
	f.Add([]byte("\x03\x00"))
	f.Fuzz(func(t *testing.T, key []byte) {
		elements, err := Decode(key)
		if err != nil {
			if !errors.Is(err, ErrMalformed) || elements != nil {
				t.Fatalf("Decode(%q) = %+v, %v", key, elements, err)
			}
			return
		}
		if again := Encode(elements...); !bytes.Equal(again, key) {
			t.Fatalf("%q decodes to %+v, which encodes to %q", key, elements, again)
		}
	})
}

func FuzzOrder(f *testing.F) {
	f.Add("a", "b", uint64(1), "a\x00", "", uint64(2), uint8(0x3f))
	f.Add("", "\x00\x01", uint64(0), "\x00", "\x01", uint64(0), uint8(0x12))
	f.Fuzz(func(t *testing.T, a1, a2 string, a3 uint64, b1, b2 string, b3 uint64, shape uint8) {
		a := []Element{str(a1), str(a2), num(a3)}
		b := []Element{str(b1), str(b2), num(b3)}
		if shape&0x80 != 0 {
			b[0] = num(binary.BigEndian.Uint64(append([]byte(b1), make([]byte, 8)...)))
		}
		if shape&0x40 != 0 {
			copy(b, a[:1])
		}
		a, b = a[:shape&0x03], b[:shape>>2&0x03]
		checkPair(t, a, b)
		if got, err := Decode(Encode(a...)); err != nil || !slices.Equal(got, a) {
			t.Fatalf("Decode(Encode(%+v)) = %+v, %v", a, got, err)
		}
	})
}
