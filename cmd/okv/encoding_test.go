package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEncoding(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		e              encoding
		content, value string
	}{
		{"", "grüße\r\n", "grüße\r\n"},
		{encodingUTF8, "grüße\r\n", "grüße\r\n"},
		{encodingASCII, "plain\n", "plain\n"},
		{encodingBase64, "\x00\xff\xfe", "AP/+"},
		{encodingHex, "\x00\xff\xfe", "00fffe"},
		{encodingBase64, "", ""},
	} {
		value, err := tc.e.encode([]byte(tc.content))
		if value != tc.value || err != nil {
			t.Errorf("%q in %q is %q, %v, want %q", tc.content, tc.e, value, err, tc.value)
		}
		content, err := tc.e.decode(tc.value)
		if string(content) != tc.content || err != nil {
			t.Errorf("%q out of %q is %q, %v, want %q", tc.value, tc.e, content, err, tc.content)
		}
	}
	for _, tc := range []struct {
		e       encoding
		content string
	}{{"", "\xff"}, {encodingUTF8, "\xff"}, {encodingASCII, "ü"}, {encodingASCII, "\x80"}} {
		if _, err := tc.e.encode([]byte(tc.content)); err == nil {
			t.Errorf("%q is accepted for %q", tc.content, tc.e)
		}
	}
}

// Az breaks base64 into lines, and ends the last.
func TestDecodeForeign(t *testing.T) {
	t.Parallel()
	content, err := encodingBase64.decode(strings.Repeat("AAAA", 19) + "\n" + "AP/+\n")
	if want := strings.Repeat("\x00", 58) + "\xff\xfe"; string(content) != want || err != nil {
		t.Errorf("got %q, %v", content, err)
	}
	content, err = encodingHex.decode("00FF\n")
	if string(content) != "\x00\xff" || err != nil {
		t.Errorf("got %q, %v", content, err)
	}
	for e, value := range map[encoding]string{encodingBase64: "s3cret!", encodingHex: "s3cret"} {
		_, err := e.decode(value)
		if err == nil || strings.Contains(err.Error(), "s3") || strings.Contains(err.Error(), "illegal") {
			t.Errorf("%q out of %q: %v", value, e, err)
		}
	}
}

func TestEncodingOf(t *testing.T) {
	t.Parallel()
	for tag, want := range map[string]encoding{
		"": encodingUTF8, "utf-8": encodingUTF8, "utf-16le": encodingUTF8, "utf-16be": encodingUTF8, "ascii": encodingASCII,
		"base64": encodingBase64, "hex": encodingHex, "rot13": "", "Base64": "",
	} {
		got, err := encodingOf(map[string]string{encodingTag: tag})
		if got != want || (err == nil) != (want != "") {
			t.Errorf("the tag %q is %q, %v, want %q", tag, got, err, want)
		}
	}
	if got, err := encodingOf(nil); got != encodingUTF8 || err != nil {
		t.Errorf("no tags are %q, %v", got, err)
	}

	tags := map[string]string{"env": "test", encodingTag: "hex"}
	tagged := encodingBase64.tag(tags)
	if tagged[encodingTag] != "base64" || tagged["env"] != "test" || tags[encodingTag] != "hex" {
		t.Errorf("the tags are %v, once %v", tagged, tags)
	}
	if tagged := encodingHex.tag(nil); len(tagged) != 1 || tagged[encodingTag] != "hex" {
		t.Errorf("the tags are %v", tagged)
	}
}

// What a secret holds may be anything. What goes in comes out again.
func FuzzEncoding(f *testing.F) {
	f.Add("AP/+")
	f.Add("00ff\n")
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, text string) {
		for _, e := range []encoding{"", encodingUTF8, encodingASCII, encodingBase64, encodingHex} {
			_, decodeErr := e.decode(text)
			if err := e.check(text); err == nil && (decodeErr != nil || !utf8.ValidString(text)) {
				t.Errorf("%q passes for %q, but %v", text, e, decodeErr)
			}
			value, err := e.encode([]byte(text))
			if err != nil {
				continue
			}
			if content, err := e.decode(value); !bytes.Equal(content, []byte(text)) || err != nil {
				t.Errorf("%q comes out of %q as %q, %v", text, e, content, err)
			}
		}
	})
}
