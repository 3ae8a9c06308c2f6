// Package guard is what stands around every reconciler, so that one object can
// never keep a controller from all others: a run that hangs is left behind, an
// object whose run panicked waits longer each time, and a loop without end turns
// slowly.
//
// A Guard belongs to one life of a controller, its History to all of them.
package guard
