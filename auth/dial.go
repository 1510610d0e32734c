package auth

import (
	"errors"
	"syscall"
)

// PublicDial is a net.Dialer's Control that refuses private, loopback and
// otherwise internal addresses where they are certain: on the very address that
// is dialled, whatever name led there. It is for every request that the gateway
// sends to an address somebody else may have chosen.
func PublicDial(network, address string, c syscall.RawConn) error {
	return checkDial(network, address, c)
}

// IsInternalDial reports whether an error is the refusal of [PublicDial].
func IsInternalDial(err error) bool { return errors.Is(err, errFetchAddress) }
