package builder_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/builder"
)

func cpuAbove(value float64) alertingv2beta1.WorkloadMetricThreshold {
	return alertingv2beta1.WorkloadMetricThreshold{Cpu: &alertingv2beta1.WorkloadCPU{Usage: new(value)}}
}

func TestWorkload(t *testing.T) {
	for _, test := range []struct {
		name, want string
		form       alertingv2beta1.WorkloadExpr
	}{
		{
			name: "one name",
			form: alertingv2beta1.WorkloadExpr{
				Kind: "Deployment", Names: []string{"web"}, Comparator: ">", MetricThreshold: cpuAbove(0.5),
			},
			want: `namespace:workload_cpu_usage:sum{workload="Deployment:web"} > 0.5`,
		},
		{
			// KubeSphere's constants are in lower case, its recording rules are not.
			name: "the other spelling of the kind",
			form: alertingv2beta1.WorkloadExpr{
				Kind: "statefulset", Names: []string{"db"}, Comparator: ">=", MetricThreshold: cpuAbove(2),
			},
			want: `namespace:workload_cpu_usage:sum{workload="StatefulSet:db"} >= 2`,
		},
		{
			name: "a name is no pattern, and their order does not matter",
			form: alertingv2beta1.WorkloadExpr{
				Kind: "deployment", Names: []string{"web.v1", "api", "web.v1"}, Comparator: "<",
				MetricThreshold: cpuAbove(1),
			},
			want: `namespace:workload_cpu_usage:sum{workload=~"Deployment:(api|web\\.v1)"} < 1`,
		},
		{
			name: "a name cannot end the selector",
			form: alertingv2beta1.WorkloadExpr{
				Kind: "deployment", Names: []string{`a"} or x{b="`}, Comparator: "<", MetricThreshold: cpuAbove(1),
			},
			want: `namespace:workload_cpu_usage:sum{workload="Deployment:a\"} or x{b=\""} < 1`,
		},
		{
			name: "all of a kind",
			form: alertingv2beta1.WorkloadExpr{Kind: "daemonset", Comparator: "<=", MetricThreshold: cpuAbove(0.25)},
			want: `namespace:workload_cpu_usage:sum{workload=~"DaemonSet:.+"} <= 0.25`,
		},
		{
			name: "the metric of replicas is that of the kind",
			form: alertingv2beta1.WorkloadExpr{
				Kind: "daemonset", Names: []string{"agent"}, Comparator: ">",
				MetricThreshold: alertingv2beta1.WorkloadMetricThreshold{
					Replica: &alertingv2beta1.WorkloadReplica{UnavailableRatio: new(0.5)},
				},
			},
			want: `namespace:daemonset_unavailable_replicas:ratio{workload="DaemonSet:agent"} > 0.5`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := builder.Workload(&test.form)
			if err != nil {
				t.Fatal(err)
			}

			if got.Text != test.want {
				t.Errorf("got  %s\nwant %s", got.Text, test.want)
			}
		})
	}
}

// KubeSphere 3.4 asks for ..._bytes_write:sum, which nothing records, so that its rule never fires.
func TestThroughputOfWritesIsWhatIsRecorded(t *testing.T) {
	got, err := builder.Node(&alertingv2beta1.NodeExpr{
		Names: []string{"n1"}, Comparator: ">",
		MetricThreshold: alertingv2beta1.NodeMetricThreshold{
			Disk: &alertingv2beta1.NodeDisk{ThroughputWrite: new(1e6)},
		},
	})
	if err != nil {
		t.Fatal(err)
	}

	if want := `node:data_volume_throughput_bytes_written:sum{node="n1"} > 1000000`; got.Text != want {
		t.Errorf("got %s, want %s", got.Text, want)
	}
}

// The names of one cluster are not looked for in another: no cross product.
func TestScopesStayApart(t *testing.T) {
	form := &alertingv2beta1.ScopedWorkloadExpr{
		Kind: "deployment", Comparator: ">", MetricThreshold: cpuAbove(1),
		Names: []alertingv2beta1.ScopedWorkloadNames{
			{Cluster: "west", Namespace: "shop", Names: []string{"web"}},
			{Cluster: "east", Namespace: "bank", Names: []string{"api", "web"}},
		},
	}

	const metric = "namespace:workload_cpu_usage:sum"

	want := "(" + metric + `{cluster="east",namespace="bank",workload=~"Deployment:(api|web)"} or ` +
		metric + `{cluster="west",namespace="shop",workload="Deployment:web"}) > 1`

	for range 10 {
		got, err := builder.ScopedWorkload(form)
		if err != nil {
			t.Fatal(err)
		}

		if got.Text != want {
			t.Fatalf("got  %s\nwant %s", got.Text, want)
		}

		slices.Reverse(form.Names)
	}
}

func TestScopedNodes(t *testing.T) {
	one := alertingv2beta1.NodeMetricThreshold{Pod: &alertingv2beta1.NodePod{AbnormalRatio: new(0.1)}}

	for _, test := range []struct {
		name, want string
		names      []alertingv2beta1.ScopedNodeNames
	}{
		{name: "all nodes of all clusters", want: `node:pod_abnormal:ratio > 0.1`},
		{
			name: "all nodes of one", names: []alertingv2beta1.ScopedNodeNames{{Cluster: "east"}},
			want: `node:pod_abnormal:ratio{cluster="east"} > 0.1`,
		},
		{
			name: "some of one", names: []alertingv2beta1.ScopedNodeNames{{Cluster: "east", Names: []string{"b", "a"}}},
			want: `node:pod_abnormal:ratio{cluster="east",node=~"(a|b)"} > 0.1`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := builder.Global(&alertingv2beta1.GlobalExprBuilder{Node: &alertingv2beta1.ScopedNodeExpr{
				Names: test.names, Comparator: ">", MetricThreshold: one,
			}})
			if err != nil {
				t.Fatal(err)
			}

			if got.Text != test.want {
				t.Errorf("got %s, want %s", got.Text, test.want)
			}
		})
	}
}

func TestSecondThresholdIsToldOf(t *testing.T) {
	thresholds := cpuAbove(1)
	thresholds.Memory = &alertingv2beta1.WorkloadMemory{Usage: new(float64(5))}

	got, err := builder.Workload(&alertingv2beta1.WorkloadExpr{
		Kind: "deployment", Names: []string{"web"}, Comparator: ">", MetricThreshold: thresholds,
	})
	if err != nil {
		t.Fatal(err)
	}

	want := builder.Query{
		Text: `namespace:workload_cpu_usage:sum{workload="Deployment:web"} > 1`,
		Warnings: []string{"exprBuilder.workload.metricThreshold.memory.usage: cpu.usage is set too, and counts; " +
			"make another rule for this one"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name, field string
		build       func() error
	}{
		{"no workload", "workload", func() error {
			_, err := builder.Namespace(&alertingv2beta1.NamespaceExprBuilder{})

			return err
		}},
		{"no node", "node", func() error {
			_, err := builder.Cluster(&alertingv2beta1.ClusterExprBuilder{})

			return err
		}},
		{"neither", "workload", func() error {
			_, err := builder.Global(&alertingv2beta1.GlobalExprBuilder{})

			return err
		}},
		{"kind", "workload.kind", func() error {
			_, err := builder.Workload(&alertingv2beta1.WorkloadExpr{Kind: "job", Comparator: ">"})

			return err
		}},
		{"comparator", "workload.comparator", func() error {
			_, err := builder.Workload(&alertingv2beta1.WorkloadExpr{
				Kind: "deployment", Comparator: "> 0 or", MetricThreshold: cpuAbove(1),
			})

			return err
		}},
		{"threshold", "node.metricThreshold", func() error {
			_, err := builder.Node(&alertingv2beta1.NodeExpr{Comparator: ">"})

			return err
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var refused *builder.Error
			if err := test.build(); !errors.As(err, &refused) || refused.Field != test.field {
				t.Errorf("got %v, want an error of %s", err, test.field)
			}
		})
	}
}
