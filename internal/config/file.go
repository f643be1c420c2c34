package config

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// file is the configuration file as it is written.
type file struct {
	Domain         string `toml:"domain"`
	LoginHost      string `toml:"login_host"`
	ManagementHost string `toml:"management_host"`
	AzureNames     bool   `toml:"azure_names"`
	Listen         string `toml:"listen"`
	PublicURL      string `toml:"public_url"`
	DataDir        string `toml:"data_dir"`
	RootKey        string `toml:"root_key"`
	DiskReserveMiB int64  `toml:"disk_reserve_mib"`

	TLS struct {
		Certificate string `toml:"certificate"`
		Key         string `toml:"key"`
	} `toml:"tls"`
	Health struct {
		Listen string `toml:"listen"`
	} `toml:"health"`
	Audit struct {
		File string `toml:"file"`
	} `toml:"audit"`
	Egress struct {
		Allow []string `toml:"allow"`
	} `toml:"egress"`
	Log struct {
		Level  level  `toml:"level"`
		Format string `toml:"format"`
	} `toml:"log"`
	Shutdown struct {
		Grace duration `toml:"grace"`
		Delay duration `toml:"delay"`
	} `toml:"shutdown"`
}

// defaults are the values of keys that a file does not have.
func defaults() *file {
	f := &file{Listen: ":443", DiskReserveMiB: 64}
	f.Log.Format = "text"
	f.Shutdown.Grace = duration(30 * time.Second)
	return f
}

// decode reads a file strictly: a key that it does not know is a slip of the pen,
// which would otherwise leave the default in place without a word.
func decode(text string) (*file, error) {
	f := defaults()
	meta, err := toml.Decode(text, f)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "toml: "))
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, unknownKey(unknown[0])
	}
	return f, nil
}

// unknownKey tells what the keys are where one is not known.
func unknownKey(key toml.Key) error {
	table, t := "", reflect.TypeFor[file]()
	for _, word := range key[:len(key)-1] {
		field, ok := fieldOf(t, word)
		if !ok || field.Type.Kind() != reflect.Struct {
			break
		}
		table, t = table+word+".", field.Type
	}
	var known []string
	for field := range t.Fields() {
		known = append(known, table+field.Tag.Get("toml"))
	}
	return fmt.Errorf("there is no key %s; the keys are %s", key, strings.Join(known, ", "))
}

func fieldOf(t reflect.Type, name string) (reflect.StructField, bool) {
	for field := range t.Fields() {
		if field.Tag.Get("toml") == name {
			return field, true
		}
	}
	return reflect.StructField{}, false
}

// duration is written as in Go: "30s".
type duration time.Duration

// UnmarshalText reads a duration that is not negative.
func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a duration such as 30s or 1m", text)
	}
	*d = duration(v)
	return nil
}

// level is written as a word.
type level slog.Level

// UnmarshalText reads a level of package slog.
func (l *level) UnmarshalText(text []byte) error {
	for name, v := range map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if strings.EqualFold(string(text), name) {
			*l = level(v)
			return nil
		}
	}
	return fmt.Errorf("%q is none of debug, info, warn, error", text)
}
