// Package message makes what a person reads of alerts: the data that templates see, the templates, built in and of
// users, in the language of the reader, and the split of what is too long for one message.
//
// Everything is made once and used by many goroutines: a Set is compiled when the configuration changes and never
// changes itself. What a template may take of time, steps and room is bounded, for a tenant writes templates too.
package message
