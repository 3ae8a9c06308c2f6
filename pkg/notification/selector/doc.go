// Package selector says which alerts an object means. It compiles the selectors of the API once, so that an alert
// is compared with them without an allocation, and it keeps many of them in an index, so that an alert is compared
// only with those that may mean it.
//
// A selector means an alert when each of its requirements is met. What is particular about them is the contract of
// KubeSphere 3.x:
//
//	nil           means every alert
//	{}            means every alert that has a label
//	In            the label is there and has one of the values; matchLabels is In with one value
//	NotIn         the label is missing, or has none of the values
//	Exists        the label is there
//	DoesNotExist  the label is missing
//	Match         the regular expression is found anywhere in the value; a missing label has the value ""
//
// Values are compared as they are: they are texts of alerts, not names of Kubernetes.
package selector
