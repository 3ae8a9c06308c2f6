// Package tenancy is the engine of the domain: what a workspace is made of, computed from the objects
// people write. Everything here is a pure function of its arguments: no client, no clock, no state.
package tenancy
