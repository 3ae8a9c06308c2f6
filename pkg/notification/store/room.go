package store

import (
	"errors"
	"syscall"

	bolterrors "go.etcd.io/bbolt/errors"
)

// noRoom tells whether a commit failed for want of room: on the disk, in the quota of its user, or in what the store
// itself may take.
func noRoom(err error) bool {
	return errors.Is(err, bolterrors.ErrMaxSizeReached) ||
		errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
