// Package promql is what the domain knows of Prometheus' query language: it parses expressions, adds matchers to
// their selectors, prints them and proves the print.
//
// Its tree is the only place that imports Prometheus. The parser changes its interface with every minor version;
// who needs it finds here what stays.
package promql
