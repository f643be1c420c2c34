package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/openkeyvault/openkeyvault/internal/seal"
	"github.com/openkeyvault/openkeyvault/internal/secret"
)

// asker reads what somebody types in: from a terminal without showing it, else
// from the lines of standard input.
type asker struct {
	ctx    context.Context // ends the wait at a terminal
	in     io.Reader
	lines  *bufio.Reader // over in
	prompt io.Writer
}

// maxLine is the longest line that is typed in.
const maxLine = 4 << 10

func newAsker(ctx context.Context, cmd *cobra.Command) *asker {
	in := cmd.InOrStdin()
	return &asker{ctx: ctx, in: in, lines: bufio.NewReaderSize(in, maxLine), prompt: cmd.ErrOrStderr()}
}

// openRoot opens the root key of a URI, and asks for its passphrase if it is one
// that is typed in.
func (a *asker) openRoot(uri string) (seal.Root, error) { return a.open(uri, false) }

// newRoot is openRoot for a passphrase that is new, which a terminal is asked for
// twice: nobody sees what they type.
func (a *asker) newRoot(uri string) (seal.Root, error) { return a.open(uri, true) }

func (a *asker) open(uri string, twice bool) (seal.Root, error) {
	if uri != seal.TypedPassphrase {
		return seal.OpenRoot(uri)
	}
	passphrase, err := a.passphrase("Passphrase of the root key: ")
	if err != nil {
		return nil, err
	}
	if twice && a.terminal() != nil {
		again, err := a.passphrase("The same once more: ")
		if err != nil {
			return nil, err
		}
		if !again.Equal(passphrase) {
			return nil, errors.New("the two passphrases differ")
		}
	}
	return seal.NewPassphraseRoot(uri, passphrase, seal.DefaultCost)
}

func (a *asker) passphrase(prompt string) (secret.Bytes, error) {
	line, err := a.line(prompt)
	if err != nil {
		return secret.Bytes{}, fmt.Errorf("reading the passphrase: %w", err)
	}
	return seal.PassphraseLine(line)
}

// terminal returns the terminal that is asked, or nil if it is none.
func (a *asker) terminal() *os.File {
	if f, ok := a.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

func (a *asker) line(prompt string) ([]byte, error) {
	if f := a.terminal(); f != nil {
		return a.hidden(f, prompt)
	}
	line, err := a.lines.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("it has more than %d bytes", maxLine)
	case err == io.EOF && len(line) == 0:
		return nil, errors.New("standard input has ended")
	case err != nil && err != io.EOF:
		return nil, err
	}
	return bytes.Clone(line), nil
}

// hidden reads a line of a terminal that does not show it, and has it show again
// what is typed even when the wait is broken off.
func (a *asker) hidden(f *os.File, prompt string) ([]byte, error) {
	fd := int(f.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(a.prompt, prompt)
	defer fmt.Fprintln(a.prompt)
	type result struct {
		line []byte
		err  error
	}
	read := make(chan result, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		read <- result{line, err}
	}()
	select {
	case r := <-read:
		return r.line, r.err
	case <-a.ctx.Done():
		return nil, errors.Join(a.ctx.Err(), term.Restore(fd, state))
	}
}

// recoveryKey reads a recovery key from a file, or from what is typed in if the
// name is "-".
func (a *asker) recoveryKey(file string) (seal.Root, error) {
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("--recovery-key: %w", err)
		}
		defer f.Close()
		return seal.ReadRecoveryKey(f)
	}
	for {
		line, err := a.line("Recovery key, the line that begins with okv-recovery-key: ")
		if err != nil {
			return nil, fmt.Errorf("reading the recovery key: %w", err)
		}
		// The text of a key begins with comments, and what follows may be a new
		// passphrase.
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return seal.ReadRecoveryKey(bytes.NewReader(line))
		}
	}
}
