package v1alpha1

// SchemaRevision is the number of the schemas of this version of the group. It stands in the annotation
// ks.kubesphere.io/schema-revision of each definition, so that a manager can tell one that is older than it needs,
// and grows with each change of a field.
const SchemaRevision = 1
