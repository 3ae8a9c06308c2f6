package builder

import (
	"strings"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
)

// threshold is one value of a form, and the metric it is for.
type threshold struct {
	field    string // below metricThreshold
	metric   string
	value    *float64
	warnings []string
}

// choose takes the first threshold that is set, in the order of the form, and warns of the others.
func choose(prefix string, all []threshold) (threshold, error) {
	var set []threshold

	for _, one := range all {
		if one.value != nil {
			set = append(set, one)
		}
	}

	if len(set) == 0 {
		return threshold{}, &Error{
			prefix + "metricThreshold",
			"no threshold is set; set one of " + strings.Join(fields(all), ", "),
		}
	}

	chosen := set[0]
	for _, field := range fields(set[1:]) {
		chosen.warnings = append(chosen.warnings, "exprBuilder."+prefix+"metricThreshold."+field+": "+chosen.field+
			" is set too, and counts; make another rule for this one")
	}

	return chosen, nil
}

func fields(thresholds []threshold) []string {
	names := make([]string, 0, len(thresholds))
	for _, one := range thresholds {
		names = append(names, one.field)
	}

	return names
}

// workloadThresholds lists what can be asked of workloads, in the order of the form.
func workloadThresholds(kind string, form alertingv2beta1.WorkloadMetricThreshold) []threshold {
	cpu, memory := orEmpty(form.Cpu), orEmpty(form.Memory)
	network, replica := orEmpty(form.Network), orEmpty(form.Replica)

	return []threshold{
		{field: "cpu.usage", metric: "namespace:workload_cpu_usage:sum", value: cpu.Usage},
		{field: "memory.usage", metric: "namespace:workload_memory_usage:sum", value: memory.Usage},
		{
			field: "memory.usageWoCache", metric: "namespace:workload_memory_usage_wo_cache:sum",
			value: memory.UsageWoCache,
		},
		{
			field: "network.transmittedRate", metric: "namespace:workload_net_bytes_transmitted:sum_irate",
			value: network.TransmittedRate,
		},
		{
			field: "network.receivedRate", metric: "namespace:workload_net_bytes_received:sum_irate",
			value: network.ReceivedRate,
		},
		{
			field:  "replica.unavailableRatio",
			metric: "namespace:" + strings.ToLower(kind) + "_unavailable_replicas:ratio",
			value:  replica.UnavailableRatio,
		},
	}
}

// nodeThresholds lists what can be asked of nodes, in the order of the form.
func nodeThresholds(form alertingv2beta1.NodeMetricThreshold) []threshold {
	cpu, memory, network := orEmpty(form.Cpu), orEmpty(form.Memory), orEmpty(form.Network)
	disk, pod := orEmpty(form.Disk), orEmpty(form.Pod)

	return []threshold{
		{field: "cpu.utilization", metric: "node:node_cpu_utilisation:avg1m", value: cpu.Utilization},
		{field: "cpu.load1m", metric: "node:load1:ratio", value: cpu.Load1m},
		{field: "cpu.load5m", metric: "node:load5:ratio", value: cpu.Load5m},
		{field: "cpu.load15m", metric: "node:load15:ratio", value: cpu.Load15m},
		{field: "memory.utilization", metric: "node:node_memory_utilisation:", value: memory.Utilization},
		{field: "memory.available", metric: "node:node_memory_bytes_available:sum", value: memory.Available},
		{
			field: "network.transmittedRate", metric: "node:node_net_bytes_transmitted:sum_irate",
			value: network.TransmittedRate,
		},
		{field: "network.receivedRate", metric: "node:node_net_bytes_received:sum_irate", value: network.ReceivedRate},
		{field: "disk.spaceUtilization", metric: "node:disk_space_utilization:ratio", value: disk.SpaceUtilization},
		{field: "disk.spaceAvailable", metric: "node:disk_space_available:", value: disk.SpaceAvailable},
		{field: "disk.inodeUtilization", metric: "node:disk_inode_utilization:ratio", value: disk.InodeUtilization},
		{field: "disk.iopsRead", metric: "node:data_volume_iops_reads:sum", value: disk.IopsRead},
		{field: "disk.iopsWrite", metric: "node:data_volume_iops_writes:sum", value: disk.IopsWrite},
		{
			field: "disk.throughputRead", metric: "node:data_volume_throughput_bytes_read:sum",
			value: disk.ThroughputRead,
		},
		// KubeSphere 3.4 asks for ..._bytes_write:sum, which no recording rule makes.
		{
			field: "disk.throughputWrite", metric: "node:data_volume_throughput_bytes_written:sum",
			value: disk.ThroughputWrite,
		},
		{field: "pod.utilization", metric: "node:pod_utilization:ratio", value: pod.Utilization},
		{field: "pod.abnormalRatio", metric: "node:pod_abnormal:ratio", value: pod.AbnormalRatio},
	}
}

func orEmpty[T any](value *T) T {
	if value == nil {
		var none T

		return none
	}

	return *value
}
