//go:build saboteur

package engine

// answersFirst breaks the promise of this package.
const answersFirst = true
