// Package harness proves that a reconciler keeps the promises every reconciler
// of this house makes:
//
//   - a second run writes nothing;
//   - drift in what it owns is repaired;
//   - any order of events ends in the same state;
//   - killed after any single write, its successor ends in the same state;
//   - no object makes it panic, or keeps it from coming to rest;
//   - no event without a change;
//   - a bounded number of API calls per run;
//   - Ready, Reconciling and Stalled tell one story, about this generation;
//   - deletion finishes and leaves nothing behind.
//
// A test describes its reconciler as a Subject and calls Run, which tries it on a
// server in memory, or RunOn with the Live backend. Trials are deterministic:
// whatever is random comes from a seed that is part of the message.
package harness
