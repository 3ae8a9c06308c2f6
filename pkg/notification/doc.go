// Package notification holds the engines of notification: from an alert that is posted to a message that a
// person reads. None of them knows a cluster; the time comes in with each call, or with a clock.
//
//	alert      what is posted, and its identity
//	selector   which alerts an object means
//	silence    alerts nobody wants to hear of, now or on a schedule
//	inhibition alerts that another alert says already
//	routing    who is told of an alert
//	grouping   which alerts are told together, and when again
//	store      what is kept on disk, so that nothing acknowledged is lost
//	delivery   when each message is tried, and tried again
//	message    what it says, in whose language
//	channel    how it is brought to a person
//	egress     where a tenant's message may go
//	secret     credentials that nobody may see
//	target     what a Receiver comes to once all it refers to is known
//	resolve    how it comes to that
//	engine     all of it together, at work
//	rendering  the workload that the delivery service runs as
package notification
