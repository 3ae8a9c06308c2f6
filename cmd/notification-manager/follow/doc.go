// Package follow brings what the objects of notification say into the engine of the delivery service.
//
// One goroutine does it: it takes what has changed since its last look, works out what that concerns, and puts into
// the engine what is another than before, and nothing else. An edit of one Receiver resolves that Receiver; one of a
// Secret those that use it. An object that cannot be used is a finding about itself and disturbs no other.
//
// Nothing is written, and no Secret is watched: those that are referred to are read one by one.
package follow
