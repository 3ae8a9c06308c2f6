// Package call makes one call to a provider and says what its answer means: what HTTP says, how long the provider
// wants to be left alone, and what may be shown of its words.
package call
