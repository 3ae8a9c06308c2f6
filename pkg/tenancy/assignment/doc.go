// Package assignment decides which namespaces a NamespaceAssignment puts into its workspace, and which stay where they
// are and why.
package assignment
