package server

import (
	"fmt"
	"net"
	"os"
)

// notify tells systemd a state of the service, if it was systemd that started
// the process (sd_notify(3)). A name that begins with @ is one of the abstract
// name space, which package net writes in the same way.
func notify(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	return nil
}
