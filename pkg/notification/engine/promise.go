//go:build !saboteur

package engine

// answersFirst would have those who post told that their alerts are taken before these are on disk. The build that
// does so is there to be caught.
const answersFirst = false
