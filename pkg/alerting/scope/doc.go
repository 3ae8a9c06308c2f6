// Package scope confines the queries of a rule to the series that the rule's owner may see.
//
// A rule queries in two places: in its expression, and in the templates of its labels and annotations, where the
// function query runs any PromQL with the rights of the evaluator. Both go through here, and both come out with
// matchers on every selector that keep them to the owner's series, or not at all.
//
// What is returned has been proven: the result is parsed again, and code that shares nothing with the rewriting
// checks that every selector carries every enforced matcher and that nothing else has changed. A query for which
// that cannot be shown is an error, never passed through.
package scope
