// Package store keeps on disk what the engine has taken on: what it acknowledged is there after a crash. It is an
// embedded database (bbolt) with a few tables; whoever writes gathers many changes for one commit, for a commit
// waits for the disk.
package store

import (
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Table names a table.
type Table string

// The tables.
const (
	// Alerts are the alerts that hold, by fingerprint.
	Alerts Table = "alerts"
	// Groups are what groups have told and when they tell next, by the group's key.
	Groups Table = "groups"
	// Pending are alerts that wait for their group to tell them, by the group's key and fingerprint.
	Pending Table = "pending"
	// Payloads are the alerts of notifications, by the notification's number.
	Payloads Table = "payloads"
	// Tasks are the messages to bring to a target, by number.
	Tasks Table = "tasks"
	// Dead are the messages that were given up, by number.
	Dead Table = "dead"
)

// tables are all of them.
func tables() []Table {
	return []Table{Alerts, Groups, Pending, Payloads, Tasks, Dead}
}

const (
	fileMode    = 0o600
	lockTimeout = 5 * time.Second
)

// ErrFull is a store that has reached the size it may have.
var ErrFull = errors.New("the store is full")

// Change is one row to write; without a value it is one to delete.
type Change struct {
	Table Table
	Key   []byte
	Value []byte
}

// Options say how a store is opened. Its zero value is a durable store without a limit.
type Options struct {
	// MaxBytes is how large its file may grow; zero is without a limit.
	MaxBytes int
	// Forgetful leaves out the wait for the disk at each commit. A crash of the machine loses what was written last,
	// and a crash of the process nothing.
	Forgetful bool
}

// Store is an open store. One process at a time has it open.
type Store struct {
	db *bbolt.DB
}

// Open opens the store at path, or makes it. A file that is no store, or a broken one, is set aside beside its path
// rather than deleted, and aside is where; the store begins anew then, for alerts to come must not wait for
// somebody to repair it. The time is for the name of what is set aside.
func Open(path string, now time.Time, options Options) (opened *Store, aside string, err error) {
	db, err := open(path, options)
	if broken(err) {
		aside = path + ".broken-" + now.UTC().Format("20060102T150405.000Z")
		if err := os.Rename(path, aside); err != nil {
			return nil, "", fmt.Errorf("setting a broken store aside: %w", err)
		}

		db, err = open(path, options)
	}

	if err != nil {
		return nil, aside, err
	}

	return &Store{db: db}, aside, nil
}

// errPages is a file with pages that the database cannot make sense of, which it says by a panic.
var errPages = errors.New("has broken pages")

func broken(err error) bool {
	return errors.Is(err, bolterrors.ErrInvalid) || errors.Is(err, bolterrors.ErrChecksum) ||
		errors.Is(err, bolterrors.ErrVersionMismatch) || errors.Is(err, errPages)
}

// open opens a file and reads it once through: what is broken shows here, and not when somebody waits for it.
func open(path string, options Options) (db *bbolt.DB, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			db, err = nil, fmt.Errorf("opening the store %s: it %w: %v", path, errPages, reason)
		}
	}()

	// Which pages are free is kept in the file. To find it anew would be a goroutine of the database's own, whose panic
	// nobody could catch.
	db, err = bbolt.Open(path, fileMode, &bbolt.Options{
		Timeout: lockTimeout, NoSync: options.Forgetful, MaxSize: options.MaxBytes, FreelistType: bbolt.FreelistMapType,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", path, err)
	}

	if err := errors.Join(db.Update(makeTables), db.View(readTables)); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store %s: %w", path, err), db.Close())
	}

	return db, nil
}

func makeTables(tx *bbolt.Tx) error {
	for _, table := range tables() {
		if _, err := tx.CreateBucketIfNotExists([]byte(table)); err != nil {
			return fmt.Errorf("making the table %s: %w", table, err)
		}
	}

	return nil
}

func readTables(tx *bbolt.Tx) error {
	for _, table := range tables() {
		err := tx.Bucket([]byte(table)).ForEach(func(_, _ []byte) error { return nil })
		if err != nil {
			return fmt.Errorf("reading the table %s: %w", table, err)
		}
	}

	return nil
}

// Close closes the store. What was committed is on disk already.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}

	return nil
}

// Commit writes all changes or none, and returns when they are on disk. The error is ErrFull where the store or the
// disk has no room.
func (s *Store) Commit(changes []Change) error {
	err := s.db.Update(func(tx *bbolt.Tx) error {
		for i := range changes {
			if err := write(tx, &changes[i]); err != nil {
				return err
			}
		}

		return nil
	})
	if err == nil {
		return nil
	}

	if noRoom(err) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}

	return fmt.Errorf("writing to the store: %w", err)
}

func write(tx *bbolt.Tx, change *Change) error {
	table := tx.Bucket([]byte(change.Table))
	if change.Value == nil {
		if err := table.Delete(change.Key); err != nil {
			return fmt.Errorf("deleting a row of the table %s: %w", change.Table, err)
		}

		return nil
	}

	if err := table.Put(change.Key, change.Value); err != nil {
		return fmt.Errorf("putting a row into the table %s: %w", change.Table, err)
	}

	return nil
}

// Each calls do for each row of a table, in the order of keys, until it returns an error. What it is given is good
// for the call only.
func (s *Store) Each(table Table, do func(key, value []byte) error) error {
	err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(table)).ForEach(do)
	})
	if err != nil {
		return fmt.Errorf("reading the table %s: %w", table, err)
	}

	return nil
}

// Get gives a copy of a row, nil if there is none.
func (s *Store) Get(table Table, key []byte) ([]byte, error) {
	var value []byte

	err := s.db.View(func(tx *bbolt.Tx) error {
		if found := tx.Bucket([]byte(table)).Get(key); found != nil {
			value = append([]byte{}, found...)
		}

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading a row of the table %s: %w", table, err)
	}

	return value, nil
}

// Bytes is the size of the file.
func (s *Store) Bytes() (size int64) {
	// A view of a store that is open does not fail.
	_ = s.db.View(func(tx *bbolt.Tx) error {
		size = tx.Size()

		return nil
	})

	return size
}
