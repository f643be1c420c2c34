package vault

import (
	"strings"
	"testing"
)

func TestValidNames(t *testing.T) {
	t.Parallel()
	for b := range 256 {
		c := string([]byte{byte(b)})
		want := strings.Contains("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-", c)
		for _, name := range []string{c, "a" + c, c + "a", strings.Repeat(c, MaxNameLength)} {
			if validName(name) != want {
				t.Errorf("%q is valid: %t", name, !want)
			}
		}
		if validName(strings.Repeat(c, MaxNameLength+1)) {
			t.Errorf("128 times %q is valid", c)
		}
	}
	// Letters that a folding of all Unicode would take for k and s.
	for _, name := range []string{"", "\u212a", "\u017f", "key\u200b", "a\n", "%61"} {
		if validName(name) {
			t.Errorf("%q is valid", name)
		}
	}
}

func TestValidVersions(t *testing.T) {
	t.Parallel()
	for b := range 256 {
		c := string([]byte{byte(b)})
		want := strings.Contains("0123456789abcdefABCDEF", c)
		if got := validVersion(strings.Repeat("0", 31) + c); got != want {
			t.Errorf("a version with %q is valid: %t", c, got)
		}
	}
	for _, n := range []int{0, 1, 31, 33, 64} {
		if validVersion(strings.Repeat("a", n)) {
			t.Errorf("a version of %d digits is valid", n)
		}
	}
	seen := map[string]bool{}
	for range 1000 {
		v := newVersion()
		if !validVersion(v) || strings.ToLower(v) != v || seen[v] {
			t.Fatalf("a new version is %q, seen before: %t", v, seen[v])
		}
		seen[v] = true
	}
}

// Names of one letter and of the most there may be live a whole life, with
// versions; those of one more are refused everywhere.
func TestNameLengths(t *testing.T) {
	t.Parallel()
	eachKind(t, func(t *testing.T, w *world, c collection) {
		w.vault("v")
		for _, name := range []string{"x", strings.Repeat("X", MaxNameLength)} {
			made := must(c.set(call("v"), name))(t)
			must(c.update(call("v"), name, made.Version, setting{}))(t)
			must(c.get(call("v"), strings.ToUpper(name), made.Version))(t)
			must(c.versions(call("v"), name, onePage))(t)
			must(c.delete(call("v"), name))(t)
			must(c.recover(call("v"), strings.ToLower(name)))(t)
			must(c.delete(call("v"), name))(t)
			if got := must(c.getDeleted(call("v"), name))(t); got.Name != name {
				t.Errorf("deleted %+v", got)
			}
			if err := c.purge(call("v"), name); err != nil {
				t.Error(err)
			}
		}
	})
}

// Tags and dates have the same limits for secrets and keys, when they are made
// and when they are updated. A refused request has changed nothing.
func TestTagAndDateLimits(t *testing.T) {
	t.Parallel()
	tags := func(n int) setting {
		in := setting{Tags: map[string]string{}}
		for i := range n {
			in.Tags[strings.Repeat("t", i)] = "v"
		}
		return in
	}
	tag := func(name, value string) setting { return setting{Tags: map[string]string{name: value}} }
	dates := func(nbf, exp int64) setting { return setting{Attributes: Attributes{NotBefore: &nbf, Expires: &exp}} }
	long := strings.Repeat("x", MaxTagLength)
	tests := map[string]struct {
		in setting
		ok bool
	}{
		"15 tags":                      {tags(MaxTags), true},
		"16 tags":                      {tags(MaxTags + 1), false},
		"an empty tag":                 {tag("", ""), true},
		"a tag of 512":                 {tag(long, long), true},
		"a tag name of 513":            {tag(long+"x", ""), false},
		"a tag value of 513":           {tag("", long+"x"), false},
		"512 two-byte characters":      {tag(strings.Repeat("é", MaxTagLength), strings.Repeat("ß", MaxTagLength)), true},
		"513 two-byte characters":      {tag(strings.Repeat("é", MaxTagLength+1), ""), false},
		"256 pairs of UTF-16":          {tag("", strings.Repeat("𝄞", MaxTagLength/2)), true},
		"257 pairs of UTF-16":          {tag("", strings.Repeat("𝄞", MaxTagLength/2+1)), false},
		"a tag name that is no UTF-8":  {tag("\xff", ""), false},
		"a tag value that is no UTF-8": {tag("", "\xed\xa0\x80"), false},
		"control characters":           {tag("\x00\n", "\x7f"), true},
		"1970 and 9999":                {dates(0, maxTime), true},
		"the end before the beginning": {dates(2, 1), true},
		"not before 1970":              {dates(-1, 1), false},
		"not before 10000":             {dates(maxTime+1, 1), false},
		"expires in 1969":              {dates(1, -1), false},
		"expires in 10000":             {dates(1, maxTime+1), false},
	}
	eachKind(t, func(t *testing.T, w *world, c collection) {
		w.vault("v")
		for name, tt := range tests {
			made := must(c.set(call("v"), "n"))(t)
			for _, run := range []func() (Object, error){
				func() (Object, error) { return c.update(call("v"), "n", "", tt.in) },
				func() (Object, error) { return c.update(call("v"), "n", made.Version, tt.in) },
				func() (Object, error) { return c.set(call("v"), "n", tt.in) },
				func() (Object, error) { return c.set(call("v"), "new", tt.in) },
			} {
				before := w.dump()
				got, err := run()
				if tt.ok {
					if err != nil {
						t.Errorf("%s: %v", name, err)
						continue
					}
					checkSetting(t, name, got, tt.in)
					checkSetting(t, name, must(c.get(call("v"), got.Name, got.Version))(t), tt.in)
					continue
				}
				badProperty.check(t, err)
				if diff := sameRecords(before, w.dump()); diff != nil {
					t.Errorf("%s: %v", name, diff)
				}
			}
			w.purgeAny("v", c.kind, "new")
		}
	})
}

func checkSetting(t *testing.T, name string, got Object, in setting) {
	t.Helper()
	for k, v := range in.Tags {
		if have, ok := got.Tags[k]; !ok || have != v {
			t.Errorf("%s: tag %q is %q, want %q", name, k, have, v)
		}
	}
	if a := in.Attributes; a.NotBefore != nil && (*got.NotBefore != *a.NotBefore || *got.Expires != *a.Expires) {
		t.Errorf("%s: from %d to %d", name, *got.NotBefore, *got.Expires)
	}
}

// A value is bytes, whatever they are, up to 25,600 of them.
func TestValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vault("v")
	for _, value := range []string{
		"", "\x00", "\x01", "\xff\xfe", "{}", "ä", strings.Repeat("\x00", MaxSecretValue), strings.Repeat("é", MaxSecretValue/2),
	} {
		set := must(w.svc.SetSecret(w.ctx(), call("v"), "n", newSecret(value)))(t)
		if string(set.Value.Reveal()) != value {
			t.Errorf("%d bytes are answered as %d", len(value), set.Value.Len())
		}
		got := must(w.svc.GetSecret(w.ctx(), call("v"), "n", ""))(t)
		if string(got.Value.Reveal()) != value || got.Value.Reveal() == nil {
			t.Errorf("%d bytes are read as %d, none: %t", len(value), got.Value.Len(), got.Value.Reveal() == nil)
		}
	}
	// Bytes count, not characters.
	_, err := w.svc.SetSecret(w.ctx(), call("v"), "n", newSecret(strings.Repeat("é", MaxSecretValue/2)+"x"))
	badProperty.check(t, err)
}
