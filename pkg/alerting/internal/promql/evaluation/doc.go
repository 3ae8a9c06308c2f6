// Package evaluation evaluates expressions and templates over a handful of series that are written in the
// notation of Prometheus' rule tests, with Prometheus' own engine.
//
// An Evaluator is one little Prometheus: it holds series in memory, shows those of a test as time goes on,
// takes what rules record, and answers instant queries. It is for one goroutine. Whoever writes the rules and
// their tests may be anybody, so all work is paid from a Budget before it is done: what nobody can afford ends
// with an error that wraps ErrBudget.
package evaluation
