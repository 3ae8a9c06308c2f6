// Package agent keeps the rules of one evaluator as the objects of a cluster say: it writes files, has the evaluator
// read them, and looks whether it has. What the evaluator refuses is taken back, and found out whose it was.
//
// The one promise is that nobody's rules stop because of somebody else's. So a set of files that was refused is
// replaced by the last good one before anything else, and the search for the culprit never takes away what was loaded.
package agent
