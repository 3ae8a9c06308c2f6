// Package stores keeps in memory what controllers read, one store for each kind,
// depth and selection, and each only for as long as somebody uses it.
//
// A user asks for what it needs and gets a [View]: what it may read, index and be
// woken by, and nothing else. Reading outside of it is an error and never starts a
// watch. A store is shared by all views that want the same; the last one to be
// released ends it, with its watch, its goroutines and its memory.
//
// Each store is a cache of controller-runtime of its own. A common cache for all
// would wait for every informer where one is meant, keep handlers for good, and
// count no users.
package stores
