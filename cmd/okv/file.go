package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

// readFile reads a file, or in if that is "-", of at most max bytes.
func readFile(in io.Reader, file string, max int64, tooLarge string) ([]byte, error) {
	return readNamed(in, "--file", file, max, tooLarge)
}

// readNamed is readFile for a file that another flag names.
func readNamed(in io.Reader, flag, file string, max int64, tooLarge string) ([]byte, error) {
	input, err := openInput(in, flag, file)
	if err != nil {
		return nil, err
	}
	defer input.Close()
	content, err := io.ReadAll(io.LimitReader(input, max+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	if int64(len(content)) > max {
		return nil, errors.New(flag + ": " + tooLarge)
	}
	return content, nil
}

// openInput opens the file that a flag names, or in if that is "-", which closing
// leaves open.
func openInput(in io.Reader, flag, file string) (io.ReadCloser, error) {
	if file == "-" {
		return io.NopCloser(in), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return f, nil
}

// outFile is where a command writes what only its user may read.
type outFile struct {
	name      string
	overwrite bool
}

func (o *outFile) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.name, "file", "f", "", "`FILE` to write; - is standard output")
	cmd.Flags().BoolVar(&o.overwrite, "overwrite", false, "replace the file if it exists")
	mustExist(cmd.MarkFlagRequired("file"))
}

// check returns an error if the file is there and must stay. It spares a
// service a request whose answer has nowhere to go.
func (o *outFile) check() error {
	if o.name == "-" {
		return nil
	}
	info, err := os.Lstat(o.name)
	switch {
	case err == nil && !o.overwrite:
		return fmt.Errorf("--file: %s exists; choose another name, or replace it with --overwrite", o.name)
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("--file: %s is not a regular file, and only such a file is overwritten", o.name)
	}
	return nil
}

// write writes the file, which only its owner may read, or out if its name is
// "-". A file of the name appears whole or not at all, and one that is replaced
// stays until then.
func (o *outFile) write(out io.Writer, content []byte) error {
	if o.name == "-" {
		_, err := out.Write(content)
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	if err := o.place(content); err != nil {
		return fmt.Errorf("--file: %w", err)
	}
	return nil
}

func (o *outFile) place(content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(o.name), ".okv-*") // with mode 0600
	var place *fs.PathError
	if errors.As(err, &place) {
		place.Path = o.name // which the user knows
	}
	if err != nil {
		return err
	}
	defer func() {
		if gone := os.Remove(f.Name()); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if o.overwrite {
		return os.Rename(f.Name(), o.name)
	}
	return claim(f.Name(), o.name)
}

// claim gives a file a name that nothing else has, not even since it was looked
// for. Not every file system has the links with which that is one step.
func claim(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	holder, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := holder.Close(); err != nil {
		return err
	}
	return os.Rename(from, to)
}
