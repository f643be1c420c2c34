package dataplane

import "github.com/openkeyvault/openkeyvault/internal/fault"

// tokenMessage returns Azure's words for why a token is not believed. It
// reports false for an error that says nothing about the token.
func tokenMessage(err error) (message string, disbelieved bool) {
	f, ok := fault.As(err)
	if !ok || f.Kind != fault.Unauthenticated {
		return "", false
	}
	return f.Message, true
}
