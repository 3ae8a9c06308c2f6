// Package egress is the one way by which notifications leave: a stack of HTTP connections, pooled by how they are
// made, and the guard that looks at every address before it is dialled.
//
// The guard stands behind the resolver, in the dialer: it sees the address that is connected to, whatever a name
// resolved to a moment before. Connections are kept apart by guard, proxy and TLS settings, so that none is used
// by whom it was not made for. Errors name the scheme and the host of a target and nothing else of its URL, for
// the URLs of chat providers are credentials.
package egress
