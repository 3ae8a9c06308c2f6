package message

import (
	"fmt"
	"sync"
	"time"
)

// zones keeps time zones that templates asked for by name.
type zones struct {
	mu    sync.Mutex
	known map[string]*time.Location
}

func newZones() *zones {
	return &zones{known: make(map[string]*time.Location)}
}

func (z *zones) get(name string) (*time.Location, error) {
	const (
		most    = 64 // more than there are zones in use; beyond it they are read each time
		longest = 64
	)

	z.mu.Lock()
	defer z.mu.Unlock()

	if found, ok := z.known[name]; ok {
		return found, nil
	}

	if len(name) > longest {
		return nil, fmt.Errorf("%q is no time zone; give a name like Asia/Shanghai", shorten(name))
	}

	location, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("%q is no time zone; give a name like Asia/Shanghai", shorten(name))
	}

	if len(z.known) < most {
		z.known[name] = location
	}

	return location, nil
}
