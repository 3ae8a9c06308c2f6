package v2beta1

// NamespaceExprBuilder is a form in place of expr for the rules of a RuleGroup. Contract: KubeSphere 3.4.
type NamespaceExprBuilder struct {
	// workload asks for a threshold on workloads of the group's namespace.
	// +optional
	Workload *WorkloadExpr `json:"workload,omitempty"`
}

// ClusterExprBuilder is a form in place of expr for the rules of a ClusterRuleGroup. Contract: KubeSphere 3.4.
type ClusterExprBuilder struct {
	// node asks for a threshold on nodes of the cluster.
	// +optional
	Node *NodeExpr `json:"node,omitempty"`
}

// GlobalExprBuilder is a form in place of expr for the rules of a GlobalRuleGroup: one of its fields. Contract:
// KubeSphere 3.4.
type GlobalExprBuilder struct {
	// workload asks for a threshold on workloads of several namespaces and clusters. It counts where node is set too.
	// +optional
	Workload *ScopedWorkloadExpr `json:"workload,omitempty"`

	// node asks for a threshold on nodes of several clusters.
	// +optional
	Node *ScopedNodeExpr `json:"node,omitempty"`
}

// WorkloadExpr is a threshold on workloads of one namespace.
type WorkloadExpr struct {
	// kind of the workloads: deployment, statefulset or daemonset, in any case. Another kind is reported in
	// status.rejectedRules.
	// +required
	Kind string `json:"kind"`

	// names of the workloads, taken as they are and not as patterns. Empty: all of the kind.
	// +required
	// +listType=atomic
	Names []string `json:"names"`

	// comparator says on which side of the threshold the alert fires: <, <=, > or >=. Another one is reported in
	// status.rejectedRules.
	// +required
	Comparator string `json:"comparator"`

	// metricThreshold is the threshold.
	// +optional
	MetricThreshold WorkloadMetricThreshold `json:"metricThreshold,omitempty"`
}

// ScopedWorkloadExpr is a threshold on workloads of several namespaces and clusters.
type ScopedWorkloadExpr struct {
	// kind of the workloads: deployment, statefulset or daemonset, in any case. Another kind is reported in
	// status.rejectedRules.
	// +required
	Kind string `json:"kind"`

	// names are the workloads, by where they are. Empty: all of the kind, everywhere.
	// +required
	// +listType=atomic
	Names []ScopedWorkloadNames `json:"names"`

	// comparator says on which side of the threshold the alert fires: <, <=, > or >=. Another one is reported in
	// status.rejectedRules.
	// +required
	Comparator string `json:"comparator"`

	// metricThreshold is the threshold.
	// +optional
	MetricThreshold WorkloadMetricThreshold `json:"metricThreshold,omitempty"`
}

// ScopedWorkloadNames are workloads of one namespace.
type ScopedWorkloadNames struct {
	// cluster is the name of the cluster.
	// +required
	Cluster string `json:"cluster"`

	// namespace of the workloads.
	// +required
	Namespace string `json:"namespace"`

	// names of the workloads, taken as they are and not as patterns. Empty: all of the kind.
	// +required
	// +listType=atomic
	Names []string `json:"names"`
}

// NodeExpr is a threshold on nodes of the cluster.
type NodeExpr struct {
	// names of the nodes, taken as they are and not as patterns. Empty: all.
	// +required
	// +listType=atomic
	Names []string `json:"names"`

	// comparator says on which side of the threshold the alert fires: <, <=, > or >=. Another one is reported in
	// status.rejectedRules.
	// +required
	Comparator string `json:"comparator"`

	// metricThreshold is the threshold.
	// +optional
	MetricThreshold NodeMetricThreshold `json:"metricThreshold,omitempty"`
}

// ScopedNodeExpr is a threshold on nodes of several clusters.
type ScopedNodeExpr struct {
	// names are the nodes, by cluster. Empty: all nodes of all clusters.
	// +required
	// +listType=atomic
	Names []ScopedNodeNames `json:"names"`

	// comparator says on which side of the threshold the alert fires: <, <=, > or >=. Another one is reported in
	// status.rejectedRules.
	// +required
	Comparator string `json:"comparator"`

	// metricThreshold is the threshold.
	// +optional
	MetricThreshold NodeMetricThreshold `json:"metricThreshold,omitempty"`
}

// ScopedNodeNames are nodes of one cluster.
type ScopedNodeNames struct {
	// cluster is the name of the cluster.
	// +required
	Cluster string `json:"cluster"`

	// names of the nodes, taken as they are and not as patterns. Empty: all.
	// +required
	// +listType=atomic
	Names []string `json:"names"`
}

// WorkloadMetricThreshold is one threshold on a workload. The first that is set counts, in the order of the fields
// here; none is reported in status.rejectedRules.
type WorkloadMetricThreshold struct {
	// cpu is about the processors.
	// +optional
	Cpu *WorkloadCPU `json:"cpu,omitempty"` //nolint:revive,staticcheck // as in KubeSphere

	// memory is about the memory.
	// +optional
	Memory *WorkloadMemory `json:"memory,omitempty"`

	// network is about the traffic.
	// +optional
	Network *NetworkThreshold `json:"network,omitempty"`

	// replica is about the pods.
	// +optional
	Replica *WorkloadReplica `json:"replica,omitempty"`
}

// WorkloadCPU is a threshold on the processors that a workload uses.
type WorkloadCPU struct {
	// usage in cores.
	// +optional
	Usage *float64 `json:"usage,omitempty"`
}

// WorkloadMemory is a threshold on the memory that a workload uses.
type WorkloadMemory struct {
	// usage in bytes, with the cache.
	// +optional
	Usage *float64 `json:"usage,omitempty"`

	// usageWoCache is the usage in bytes without the cache.
	// +optional
	UsageWoCache *float64 `json:"usageWoCache,omitempty"`
}

// WorkloadReplica is a threshold on the pods of a workload.
type WorkloadReplica struct {
	// unavailableRatio is the part of the pods that is not available, from 0 to 1.
	// +optional
	UnavailableRatio *float64 `json:"unavailableRatio,omitempty"`
}

// NetworkThreshold is a threshold on traffic, of a workload or of a node.
type NetworkThreshold struct {
	// transmittedRate in bit/s, as KubeSphere 3.4 calls it. It is compared with its recording rules' series as it is.
	// +optional
	TransmittedRate *float64 `json:"transmittedRate,omitempty"`

	// receivedRate in bit/s, as KubeSphere 3.4 calls it. It is compared with its recording rules' series as it is.
	// +optional
	ReceivedRate *float64 `json:"receivedRate,omitempty"`
}

// NodeMetricThreshold is one threshold on a node. The first that is set counts, in the order of the fields here; none
// is reported in status.rejectedRules.
type NodeMetricThreshold struct {
	// cpu is about the processors.
	// +optional
	Cpu *NodeCPU `json:"cpu,omitempty"` //nolint:revive,staticcheck // as in KubeSphere

	// memory is about the memory.
	// +optional
	Memory *NodeMemory `json:"memory,omitempty"`

	// network is about the traffic.
	// +optional
	Network *NetworkThreshold `json:"network,omitempty"`

	// disk is about the disks.
	// +optional
	Disk *NodeDisk `json:"disk,omitempty"`

	// pod is about the pods.
	// +optional
	Pod *NodePod `json:"pod,omitempty"`
}

// NodeCPU is a threshold on the processors of a node.
type NodeCPU struct {
	// utilization of the last minute, from 0 to 1.
	// +optional
	Utilization *float64 `json:"utilization,omitempty"`

	// load1m is the load average of one minute, per core.
	// +optional
	Load1m *float64 `json:"load1m,omitempty"`

	// load5m is the load average of five minutes, per core.
	// +optional
	Load5m *float64 `json:"load5m,omitempty"`

	// load15m is the load average of fifteen minutes, per core.
	// +optional
	Load15m *float64 `json:"load15m,omitempty"`
}

// NodeMemory is a threshold on the memory of a node.
type NodeMemory struct {
	// utilization from 0 to 1.
	// +optional
	Utilization *float64 `json:"utilization,omitempty"`

	// available memory in bytes.
	// +optional
	Available *float64 `json:"available,omitempty"`
}

// NodeDisk is a threshold on the disks of a node.
type NodeDisk struct {
	// spaceUtilization from 0 to 1.
	// +optional
	SpaceUtilization *float64 `json:"spaceUtilization,omitempty"`

	// spaceAvailable in bytes.
	// +optional
	SpaceAvailable *float64 `json:"spaceAvailable,omitempty"`

	// inodeUtilization from 0 to 1.
	// +optional
	InodeUtilization *float64 `json:"inodeUtilization,omitempty"`

	// iopsRead in operations per second.
	// +optional
	IopsRead *float64 `json:"iopsRead,omitempty"`

	// iopsWrite in operations per second.
	// +optional
	IopsWrite *float64 `json:"iopsWrite,omitempty"`

	// throughputRead in bytes per second.
	// +optional
	ThroughputRead *float64 `json:"throughputRead,omitempty"`

	// throughputWrite in bytes per second.
	// +optional
	ThroughputWrite *float64 `json:"throughputWrite,omitempty"`
}

// NodePod is a threshold on the pods of a node.
type NodePod struct {
	// utilization is the number of pods by how many the node may have, from 0 to 1.
	// +optional
	Utilization *float64 `json:"utilization,omitempty"`

	// abnormalRatio is the part of the pods that is not well, from 0 to 1.
	// +optional
	AbnormalRatio *float64 `json:"abnormalRatio,omitempty"`
}
