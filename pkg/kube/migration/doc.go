// Package migration brings the stored objects of a custom resource definition
// to its storage version.
//
// When that version changes, what is stored stays in the old one until somebody
// writes it, and status.storedVersions of the definition keeps the old name: the
// API server would not let go of a version in which there may be objects. A
// Migrator writes each object once, unchanged, and then takes the old names out.
//
// Each write is an empty merge patch. The API server reads the object, encodes
// it in the storage version, compares that with the bytes it has, and writes if
// they differ. So an object in the new version costs no write, nothing is sent
// that could be out of date, and a change made at the same time is never lost.
// As after any other write, fields that the schema of the definition does not
// have are gone, and its defaults are stored.
//
// Callers wait between the change of a definition and its migration, two minutes
// are plenty: an API server that has not yet seen the new definition stores the
// old version, again and unnoticed, and so does a request that it began before,
// for up to a minute. Nobody outside can see how far each API server of a cluster
// is.
//
// A migrated version need not be served any more, and can be dropped as far as
// the objects go. But it should stay in the definition, unserved: the
// managedFields of old objects name it, and the API server refuses server-side
// apply to an object with a version there that the definition does not have.
//
// Kubernetes has an API for the same (storagemigration.k8s.io), which servers
// before 1.37 have switched off. What either has done, the other finds done.
package migration
