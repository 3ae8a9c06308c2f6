package routing

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// naiveTable is the words of the package comment over the objects themselves: it asks every router and every channel
// of every receiver about every alert.
type naiveTable struct {
	config    Config
	receivers map[string]*notificationv2beta2.Receiver
	routers   map[string]*notificationv2beta2.Router
}

func (n naiveTable) route(alert set) []string {
	told := map[string]*naiveMatch{}
	chosen := n.byRouters(alert, told)

	if n.config.Policy == All || n.config.Policy == RouterFirst && !chosen {
		for _, one := range n.receivers {
			if via := n.byOwner(one, alert); via != 0 {
				naiveTell{via: via, wanted: func(string) bool { return true }}.tell(told, one, alert)
			}
		}
	}

	var texts []string

	for _, name := range slices.Sorted(maps.Keys(told)) {
		types := strings.Join(slices.Sorted(maps.Keys(told[name].types)), ",")
		text := fmt.Sprintf("%s: %s via %s", name, types, told[name].via)

		if told[name].router != "" {
			text += " by " + told[name].router
		}

		texts = append(texts, text)
	}

	return texts
}

// naiveTell is a way to receivers, and the channels that it leads to.
type naiveTell struct {
	via    Via
	router string
	wanted func(kind string) bool
}

type naiveMatch struct {
	types  map[string]bool
	via    Via
	router string
}

func (n naiveTable) byRouters(alert set, told map[string]*naiveMatch) bool {
	sorted := slices.SortedFunc(maps.Values(n.routers), func(a, b *notificationv2beta2.Router) int {
		if a.Spec.Order != b.Spec.Order {
			return int(a.Spec.Order - b.Spec.Order)
		}

		return strings.Compare(a.Name, b.Name)
	})

	chosen := false

	for _, router := range sorted {
		if router.Spec.Enabled != nil && !*router.Spec.Enabled || !selects(router.Spec.AlertSelector, alert) {
			continue
		}

		for _, one := range n.receivers {
			wanted := func(kind string) bool { return chooses(router, one, kind) }
			way := naiveTell{via: ViaRouter, router: router.Name, wanted: wanted}
			chosen = way.tell(told, one, alert) || chosen
		}

		if router.Spec.Continue != nil && !*router.Spec.Continue {
			break
		}
	}

	return chosen
}

func chooses(router *notificationv2beta2.Router, one *notificationv2beta2.Receiver, kind string) bool {
	owner := ownership().Of(one.Labels)
	by := router.Spec.Receivers

	for _, channel := range by.Channels {
		named := owner.Kind == selector.Tenant && owner.Tenant == channel.Tenant
		if named && (len(channel.Type) == 0 || slices.Contains(channel.Type, kind)) {
			return true
		}
	}

	if owner.Kind == selector.Ignored || by.Type != "" && by.Type != kind {
		return false
	}

	return slices.Contains(by.Name, one.Name) ||
		by.RegexName != "" && regexp.MustCompile(by.RegexName).MatchString(one.Name) ||
		by.Selector != nil && selects(by.Selector, one.Labels)
}

// tell notes the channels that tell of the alert, and returns whether there are any, told or not.
func (n naiveTell) tell(told map[string]*naiveMatch, one *notificationv2beta2.Receiver, alert set) bool {
	led := false

	channels := map[string]*notificationv2beta2.ChannelReceiver{}
	if one.Spec.Email != nil {
		channels["email"] = &one.Spec.Email.ChannelReceiver
	}

	if one.Spec.Webhook != nil {
		channels["webhook"] = &one.Spec.Webhook.ChannelReceiver
	}

	for kind, common := range channels {
		if common.Enabled != nil && !*common.Enabled || !n.wanted(kind) {
			continue
		}

		led = true

		if !selects(common.AlertSelector, alert) {
			continue
		}

		if told[one.Name] == nil {
			told[one.Name] = &naiveMatch{types: map[string]bool{}, router: n.router}
		}

		told[one.Name].types[kind] = true
		told[one.Name].via |= n.via
	}

	return led
}

func (n naiveTable) byOwner(one *notificationv2beta2.Receiver, alert set) Via {
	owner := ownership().Of(one.Labels)
	if owner.Kind == selector.Global {
		return ViaGlobal
	}

	namespace, present := alert["namespace"]
	if owner.Kind != selector.Tenant || !present {
		return 0
	}

	if n.config.Tenants == RuleLevel && alert["rule_level"] != "namespace" {
		return 0
	}

	tenants := []string{namespace}
	if n.config.Resolve != nil {
		tenants = n.config.Resolve(alert["cluster"], namespace)
	}

	if slices.Contains(tenants, owner.Tenant) {
		return ViaTenant
	}

	return 0
}

// selects is a selector with matchLabels only.
func selects(source *apiSelector, set set) bool {
	if source == nil {
		return true
	}

	for name, value := range source.MatchLabels {
		if has, present := set[name]; !present || has != value {
			return false
		}
	}

	return len(set) > 0
}

func pick[T any](random *rand.Rand, choices ...T) T { return choices[random.IntN(len(choices))] }

func randomAlert(random *rand.Rand) set {
	made := set{"a": pick(random, "1", "2"), "b": pick(random, "1", "2")}

	if random.IntN(4) > 0 {
		made["namespace"] = pick(random, "n1", "n2", "n3")
	}

	if random.IntN(2) == 0 {
		made["rule_level"] = pick(random, "namespace", "cluster")
	}

	return made
}

func randomSelector(random *rand.Rand) *apiSelector {
	return pick(random, nil, nil, &apiSelector{}, matching("a", "1"), matching("b", "2"),
		matching("a", "2", "b", "1"), matching("c", "1"))
}

func randomReceiver(random *rand.Rand) *notificationv2beta2.Receiver {
	made := &notificationv2beta2.Receiver{ObjectMeta: metav1.ObjectMeta{
		Name: fmt.Sprint("r", random.IntN(12)),
		Labels: pick(random, set{"type": "global"}, set{"type": "tenant", "user": "n1"},
			set{"type": "tenant", "user": "n2"}, set{"type": "tenant", "user": "ann"},
			set{"type": "global", "user": "n1"}, set{"type": "default"}, nil),
	}}

	if made.Labels != nil && random.IntN(2) == 0 {
		made.Labels["team"] = pick(random, "x", "y")
	}

	if random.IntN(3) > 0 {
		made.Spec.Email = &notificationv2beta2.EmailReceiver{}
		made.Spec.Email.Enabled = pick(random, nil, new(bool))
		made.Spec.Email.AlertSelector = randomSelector(random)
	}

	if random.IntN(3) > 0 {
		made.Spec.Webhook = &notificationv2beta2.WebhookReceiver{}
		made.Spec.Webhook.AlertSelector = randomSelector(random)
	}

	return made
}

func randomRouter(random *rand.Rand) *notificationv2beta2.Router {
	made := routerTo(fmt.Sprint("router", random.IntN(5)), randomSelector(random), notificationv2beta2.ReceiverSelector{
		Type: pick(random, "", "", "email", "slack"),
	})
	made.Spec.Order = int32(random.IntN(3)) //nolint:gosec // small
	made.Spec.Enabled = pick(random, nil, nil, nil, new(bool))
	made.Spec.Continue = pick(random, nil, nil, new(bool))

	if random.IntN(2) == 0 {
		made.Spec.Receivers.Name = []string{fmt.Sprint("r", random.IntN(12)), fmt.Sprint("r", random.IntN(15))}
	}

	if random.IntN(4) == 0 {
		made.Spec.Receivers.RegexName = pick(random, "1", "^r[0-4]$", "x")
	}

	if random.IntN(4) == 0 {
		made.Spec.Receivers.Selector = pick(random, &apiSelector{}, matching("team", "x"), matching("type", "tenant"))
	}

	if random.IntN(4) == 0 {
		made.Spec.Receivers.Channels = []notificationv2beta2.Channel{
			{Tenant: pick(random, "n1", "ann"), Type: pick(random, nil, []string{"email"}, []string{"webhook", "sms"})},
			{Tenant: pick(random, "n1", "n2"), Type: pick(random, nil, []string{"email"})},
		}
	}

	return made
}

// TestAgreesWithNaive changes a table and a naive one alike, and routes the same alerts through both.
func TestAgreesWithNaive(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 5)) //nolint:gosec // a test draws its cases from a seed
	users := members(map[string][]string{"n1": {"ann", "n2"}, "n2": {"ann", "ann"}})
	naive := naiveTable{
		receivers: map[string]*notificationv2beta2.Receiver{}, routers: map[string]*notificationv2beta2.Router{},
	}
	table := NewTable(naive.config)
	matches := 0

	for range 30000 {
		switch random.IntN(8) {
		case 0:
			one := fmt.Sprint("r", random.IntN(12))
			delete(naive.receivers, one)
			table.DeleteReceiver(one)
		case 1:
			one := fmt.Sprint("router", random.IntN(5))
			delete(naive.routers, one)
			table.DeleteRouter(one)
		case 2:
			one := randomRouter(random)
			naive.routers[one.Name] = one
			put(t, table, one)
		case 3:
			naive.config = Config{
				Policy: pick(random, All, RouterFirst, RouterOnly), Tenants: pick(random, NamespaceLabel, RuleLevel),
				Resolve: pick(random, nil, users),
			}
			table.Configure(naive.config)
		default:
			one := randomReceiver(random)
			naive.receivers[one.Name] = one
			put(t, table, one)
		}

		alert := randomAlert(random)
		want, got := naive.route(alert), route(table, labels.FromMap(alert))
		matches += len(got)

		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%v with %+v: %s", alert, naive.config, diff)
		}

		explained(t, table, labels.FromMap(alert), got)
	}

	if matches < 30000 {
		t.Errorf("%d matches: the cases say nothing", matches)
	}

	for name := range naive.receivers {
		table.DeleteReceiver(name)
	}

	for name := range naive.routers {
		table.DeleteRouter(name)
	}

	empty(t, table)
}

// explained compares what Explain says with what Route does.
func explained(t *testing.T, table *Table, alert labels.Labels, want []string) {
	t.Helper()

	var got []string

	for _, one := range table.Explain(alert, nil).Receivers {
		var types []string

		for _, channel := range one.Channels {
			if channel.Told {
				types = append(types, channel.Type)
			}
		}

		if one.Told != (len(types) > 0) {
			t.Fatalf("%+v", one)
		}

		if one.Told {
			got = append(got, one.Name+": "+strings.Join(types, ","))
		}
	}

	for i := range want {
		want[i], _, _ = strings.Cut(want[i], " via")
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("what Explain says of %v: %s", alert, diff)
	}
}

// empty says what is left where nothing should be.
func empty(t *testing.T, table *Table) {
	t.Helper()

	left := len(table.receivers) + len(table.routers) + table.global.Len() + len(table.tenants) + table.byAlert.Len() +
		len(table.byName) + len(table.byTenant) + len(table.byPattern) + table.byLabels.Len()
	if left != 0 {
		t.Errorf("what is left of nothing: %+v", table)
	}
}
