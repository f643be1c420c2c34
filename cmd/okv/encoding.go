package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// encoding is how the value of a secret, which is text, stands for the content
// of a file. The empty one is UTF-8.
type encoding string

const (
	encodingUTF8   encoding = "utf-8"
	encodingASCII  encoding = "ascii"
	encodingBase64 encoding = "base64"
	encodingHex    encoding = "hex"
)

// encodingTag is the tag in which az keyvault keeps the encoding of a secret.
const encodingTag = "file-encoding"

func encodingFlag(cmd *cobra.Command, usage string) *choice[encoding] {
	return choiceFlag(cmd, cmd.Flags(), "encoding", "e", usage, "",
		encodingUTF8, encodingASCII, encodingBase64, encodingHex)
}

// encodingOf returns the encoding that tags name, if there is none UTF-8. What az
// stores with the tags utf-16le and utf-16be is the text all the same.
func encodingOf(tags map[string]string) (encoding, error) {
	switch name := tags[encodingTag]; encoding(name) {
	case "", "utf-16le", "utf-16be":
		return encodingUTF8, nil
	case encodingUTF8, encodingASCII, encodingBase64, encodingHex:
		return encoding(name), nil
	default:
		return "", fmt.Errorf("the tag %s of the secret is %q, which is none that okv knows; say what it is with --encoding", encodingTag, name)
	}
}

// tag returns tags with the encoding among them.
func (e encoding) tag(tags map[string]string) map[string]string {
	tags = maps.Clone(tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags[encodingTag] = string(e)
	return tags
}

// encode returns the value that stands for a content.
func (e encoding) encode(content []byte) (string, error) {
	switch e {
	case encodingBase64:
		return base64.StdEncoding.EncodeToString(content), nil
	case encodingHex:
		return hex.EncodeToString(content), nil
	}
	return string(content), e.check(string(content))
}

// decode returns the content that a value stands for. Line breaks in base64 and
// around hexadecimal digits do not matter: az puts some there.
func (e encoding) decode(value string) ([]byte, error) {
	var content []byte
	var err error
	switch e {
	case encodingBase64:
		content, err = base64.StdEncoding.DecodeString(value)
	case encodingHex:
		content, err = hex.DecodeString(strings.TrimSpace(value))
	default:
		content = []byte(value)
	}
	if err != nil {
		// The decoder's own error shows a part of the value.
		return nil, fmt.Errorf("the value is not %s", e)
	}
	return content, nil
}

// check returns an error if a value is not of the encoding.
func (e encoding) check(value string) error {
	switch {
	case !utf8.ValidString(value):
		return errors.New("the value is not UTF-8, which is all that a secret can be; --file with --encoding base64 takes any content")
	case e == encodingASCII && strings.ContainsFunc(value, func(r rune) bool { return r >= utf8.RuneSelf }):
		return errors.New("the value is not ASCII")
	}
	_, err := e.decode(value)
	return err
}
