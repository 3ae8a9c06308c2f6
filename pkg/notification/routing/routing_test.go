package routing

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

type (
	set         = map[string]string
	apiSelector = notificationv2beta2.LabelSelector
)

func ownership() selector.Ownership {
	return selector.Ownership{Global: set{"type": "global"}, Tenant: set{"type": "tenant"}, TenantKey: "user"}
}

func global() set { return set{"type": "global"} }

func tenant(name string) set { return set{"type": "tenant", "user": name} }

func matching(pairs ...string) *apiSelector {
	made := &apiSelector{MatchLabels: set{}}

	for pair := range slices.Chunk(pairs, 2) {
		made.MatchLabels[pair[0]] = pair[1]
	}

	return made
}

// withEmail is a Receiver with a channel that tells of what the selector selects.
func withEmail(name string, labels set, alerts *apiSelector) *notificationv2beta2.Receiver {
	made := &notificationv2beta2.Receiver{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	made.Spec.Email = &notificationv2beta2.EmailReceiver{}
	made.Spec.Email.AlertSelector = alerts

	return made
}

// withBoth is a Receiver with a second channel that tells of everything.
func withBoth(name string, labels set, alerts *apiSelector) *notificationv2beta2.Receiver {
	made := withEmail(name, labels, alerts)
	made.Spec.Webhook = &notificationv2beta2.WebhookReceiver{}

	return made
}

func routerTo(
	name string, alerts *apiSelector, receivers notificationv2beta2.ReceiverSelector,
) *notificationv2beta2.Router {
	return &notificationv2beta2.Router{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       notificationv2beta2.RouterSpec{AlertSelector: alerts, Receivers: receivers},
	}
}

func put(tb testing.TB, table *Table, objects ...any) {
	tb.Helper()

	for _, object := range objects {
		switch one := object.(type) {
		case *notificationv2beta2.Receiver:
			made, problems := ReceiverOf(one, ownership())
			if len(problems) > 0 {
				tb.Fatal(problems.ToAggregate())
			}

			table.PutReceiver(made)
		case *notificationv2beta2.Router:
			made, problems := RouterOf(one)
			if len(problems) > 0 {
				tb.Fatal(problems.ToAggregate())
			}

			table.PutRouter(made)
		default:
			tb.Fatalf("%T", object)
		}
	}
}

// write writes a match as "name: types via ways by router".
func write(match Match) string {
	types := strings.Join(slices.Collect(match.Receiver.Types(match.Channels)), ",")
	text := fmt.Sprintf("%s: %s via %s", match.Receiver.Name, types, match.Via)

	if match.Router != "" {
		text += " by " + match.Router
	}

	return text
}

func route(table *Table, set labels.Labels) []string {
	var (
		result Result
		texts  []string
	)

	table.Route(set, &result)

	for _, match := range result.Matches {
		texts = append(texts, write(match))
	}

	return texts
}

// members gives the tenants of namespaces, as the access that people have does.
func members(namespaces map[string][]string) TenantResolver {
	return func(_, namespace string) []string { return namespaces[namespace] }
}

func TestTenants(t *testing.T) {
	users := members(map[string][]string{"shop": {"ann", "bob", "ann"}, "bank": {"shop"}})

	receivers := []any{
		withEmail("ann", tenant("ann"), nil),
		withEmail("bob", tenant("bob"), nil),
		withEmail("everybody", global(), nil),
		withEmail("shop", tenant("shop"), nil),
		withEmail("nobody", set{"type": "default"}, nil),
		withEmail("nameless", set{"type": "tenant"}, nil),
		withEmail("both", set{"type": "global", "user": "ann"}, nil),
	}

	const (
		ann, bob, shop = "ann: email via tenant", "bob: email via tenant", "shop: email via tenant"
		both, every    = "both: email via global", "everybody: email via global"
	)

	for name, test := range map[string]struct {
		config Config
		alert  labels.Labels
		want   []string
	}{
		"the namespace is the tenant":             {Config{}, labels.FromStrings("namespace", "shop"), []string{both, every, shop}},
		"nobody's namespace":                      {Config{}, labels.FromStrings("namespace", "bank"), []string{both, every}},
		"no namespace":                            {Config{}, labels.FromStrings("alertname", "shop"), []string{both, every}},
		"an empty namespace":                      {Config{}, labels.FromStrings("namespace", ""), []string{both, every}},
		"no labels":                               {Config{}, labels.EmptyLabels(), []string{both, every}},
		"users of a namespace":                    {Config{Resolve: users}, labels.FromStrings("namespace", "shop"), []string{ann, bob, both, every}},
		"a user is called as a namespace is":      {Config{Resolve: users}, labels.FromStrings("namespace", "bank"), []string{both, every, shop}},
		"a namespace without users":               {Config{Resolve: users}, labels.FromStrings("namespace", "void"), []string{both, every}},
		"no namespace to find users of":           {Config{Resolve: users}, labels.FromStrings("a", "b"), []string{both, every}},
		"rule_level is not asked":                 {Config{}, labels.FromStrings("namespace", "shop", "rule_level", "cluster"), []string{both, every, shop}},
		"rule_level is asked":                     {Config{Tenants: RuleLevel}, labels.FromStrings("namespace", "shop", "rule_level", "namespace"), []string{both, every, shop}},
		"rule_level is asked, another":            {Config{Tenants: RuleLevel}, labels.FromStrings("namespace", "shop", "rule_level", "cluster"), []string{both, every}},
		"rule_level is asked, missing":            {Config{Tenants: RuleLevel, Resolve: users}, labels.FromStrings("namespace", "shop"), []string{both, every}},
		"rule_level alone does not make a tenant": {Config{Tenants: RuleLevel}, labels.FromStrings("rule_level", "namespace"), []string{both, every}},
	} {
		t.Run(name, func(t *testing.T) {
			table := NewTable(test.config)
			put(t, table, receivers...)

			if diff := cmp.Diff(test.want, route(table, test.alert)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestResolverIsGivenTheCluster(t *testing.T) {
	resolve := func(cluster, namespace string) []string { return []string{cluster + "/" + namespace} }
	table := NewTable(Config{Resolve: resolve})
	put(t, table, withEmail("ann", tenant("host/shop"), nil))

	want := []string{"ann: email via tenant"}
	if diff := cmp.Diff(want, route(table, labels.FromStrings("cluster", "host", "namespace", "shop"))); diff != "" {
		t.Error(diff)
	}
}

func TestChannels(t *testing.T) {
	off := false

	disabled := withBoth("b-half", global(), nil)
	disabled.Spec.Email.Enabled = &off

	dumb := withEmail("c-off", global(), nil)
	dumb.Spec.Email.Enabled = &off

	table := NewTable(Config{})
	put(t, table,
		withBoth("a-both", global(), matching("severity", "critical")),
		disabled, dumb,
		withEmail("d-some", tenant("shop"), matching("severity", "critical")),
		&notificationv2beta2.Receiver{ObjectMeta: metav1.ObjectMeta{Name: "e-none", Labels: global()}},
	)

	for severity, want := range map[string][]string{
		"critical": {"a-both: email,webhook via global", "b-half: webhook via global", "d-some: email via tenant"},
		"info":     {"a-both: webhook via global", "b-half: webhook via global"},
	} {
		alert := labels.FromStrings("namespace", "shop", "severity", severity)
		if diff := cmp.Diff(want, route(table, alert)); diff != "" {
			t.Errorf("%s: %s", severity, diff)
		}
	}
}

// TestRouters has one router in each case, and all policies.
func TestRouters(t *testing.T) {
	off := false

	type choice = notificationv2beta2.ReceiverSelector

	receivers := []any{
		withBoth("ann", tenant("ann"), nil),
		withBoth("bob", set{"type": "tenant", "user": "bob", "team": "night"}, nil),
		withEmail("everybody", global(), nil),
		withEmail("picky", tenant("carl"), matching("severity", "critical")),
		withBoth("nobody", set{"team": "night"}, nil),
	}

	disabled := routerTo("r", nil, choice{Name: []string{"ann"}})
	disabled.Spec.Enabled = &off

	const both = "email,webhook via router by r"

	for name, test := range map[string]struct {
		router *notificationv2beta2.Router
		want   []string
	}{
		"by name":                             {routerTo("r", nil, choice{Name: []string{"bob", "ann", "ann", "missing"}}), []string{"ann: " + both, "bob: " + both}},
		"by pattern, anywhere":                {routerTo("r", nil, choice{RegexName: "n$|^b"}), []string{"ann: " + both, "bob: " + both}},
		"by name and pattern":                 {routerTo("r", nil, choice{Name: []string{"ann"}, RegexName: "^b"}), []string{"ann: " + both, "bob: " + both}},
		"by labels, of nobody's not":          {routerTo("r", nil, choice{Selector: matching("team", "night")}), []string{"bob: " + both}},
		"by labels, all of them":              {routerTo("r", nil, choice{Selector: &apiSelector{}, Type: "webhook"}), []string{"ann: webhook via router by r", "bob: webhook via router by r"}},
		"by type":                             {routerTo("r", nil, choice{Name: []string{"ann"}, Type: "webhook"}), []string{"ann: webhook via router by r"}},
		"by a type that is not there":         {routerTo("r", nil, choice{Name: []string{"ann"}, Type: "slack"}), nil},
		"by tenant":                           {routerTo("r", nil, choice{Channels: []notificationv2beta2.Channel{{Tenant: "ann"}}}), []string{"ann: " + both}},
		"by tenant and type":                  {routerTo("r", nil, choice{Channels: []notificationv2beta2.Channel{{Tenant: "ann", Type: []string{"webhook", "slack"}}}}), []string{"ann: webhook via router by r"}},
		"by tenant, twice":                    {routerTo("r", nil, choice{Channels: []notificationv2beta2.Channel{{Tenant: "ann", Type: []string{"webhook"}}, {Tenant: "ann", Type: []string{"email"}}}}), []string{"ann: " + both}},
		"by tenant, once without a type":      {routerTo("r", nil, choice{Channels: []notificationv2beta2.Channel{{Tenant: "ann", Type: []string{"slack"}}, {Tenant: "ann"}}}), []string{"ann: " + both}},
		"the type is for names only":          {routerTo("r", nil, choice{Type: "webhook", Name: []string{"ann"}, Channels: []notificationv2beta2.Channel{{Tenant: "ann", Type: []string{"email"}}}}), []string{"ann: " + both}},
		"the receiver has the last word":      {routerTo("r", nil, choice{Name: []string{"picky"}}), nil},
		"another alert":                       {routerTo("r", matching("severity", "critical"), choice{Name: []string{"ann"}}), nil},
		"this alert":                          {routerTo("r", matching("severity", "info"), choice{Name: []string{"ann"}}), []string{"ann: " + both}},
		"switched off":                        {disabled, nil},
		"no way to choose":                    {routerTo("r", nil, choice{}), nil},
		"a global one, once by the best ways": {routerTo("r", nil, choice{Name: []string{"everybody"}}), []string{"everybody: email via router by r"}},
	} {
		t.Run(name, func(t *testing.T) {
			table := NewTable(Config{Policy: RouterOnly})
			alert := labels.FromStrings("severity", "info")

			put(t, table, test.router)
			put(t, table, receivers...)

			if diff := cmp.Diff(test.want, route(table, alert)); diff != "" {
				t.Error("the router was first:", diff)
			}

			put(t, table, test.router)

			if diff := cmp.Diff(test.want, route(table, alert)); diff != "" {
				t.Error("the receivers were first:", diff)
			}

			table.DeleteRouter("r")

			if got := route(table, alert); got != nil {
				t.Errorf("without the router: %q", got)
			}
		})
	}
}

func TestPolicies(t *testing.T) {
	type choice = notificationv2beta2.ReceiverSelector

	const (
		ann, every  = "ann: email via tenant", "everybody: email via global"
		routed      = "bob: email via router by r"
		alsoByWay   = "everybody: email via global+router by r"
		alsoByOwner = "ann: email via tenant+router by r"
	)

	receivers := []any{
		withEmail("ann", tenant("shop"), nil),
		withEmail("bob", tenant("bob"), nil),
		withEmail("everybody", global(), nil),
		withEmail("picky", tenant("carl"), matching("severity", "critical")),
	}

	for name, test := range map[string]struct {
		router           *notificationv2beta2.Router
		all, first, only []string
	}{
		"chooses somebody":              {routerTo("r", nil, choice{Name: []string{"bob"}}), []string{ann, routed, every}, []string{routed}, []string{routed}},
		"chooses those that are told":   {routerTo("r", nil, choice{Name: []string{"everybody", "ann"}}), []string{alsoByOwner, alsoByWay}, []string{"ann: email via router by r", "everybody: email via router by r"}, []string{"ann: email via router by r", "everybody: email via router by r"}},
		"chooses nobody":                {routerTo("r", nil, choice{Name: []string{"missing"}}), []string{ann, every}, []string{ann, every}, nil},
		"selects another alert":         {routerTo("r", matching("a", "b"), choice{Name: []string{"bob"}}), []string{ann, every}, []string{ann, every}, nil},
		"somebody who does not want it": {routerTo("r", nil, choice{Name: []string{"picky"}}), []string{ann, every}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			table := NewTable(Config{})
			put(t, table, receivers...)
			put(t, table, test.router)

			wanted := map[Policy][]string{All: test.all, RouterFirst: test.first, RouterOnly: test.only}
			for policy, want := range wanted {
				table.Configure(Config{Policy: policy})

				if diff := cmp.Diff(want, route(table, labels.FromStrings("namespace", "shop"))); diff != "" {
					t.Errorf("%s: %s", policy, diff)
				}
			}
		})
	}
}

func TestOrder(t *testing.T) {
	no, yes := false, true

	ordered := func(name string, order int32, goOn *bool, alerts *apiSelector) *notificationv2beta2.Router {
		made := routerTo(name, alerts, notificationv2beta2.ReceiverSelector{Name: []string{"to-" + name}})
		made.Spec.Order = order
		made.Spec.Continue = goOn

		return made
	}

	for name, test := range map[string]struct {
		routers []any
		want    string
	}{
		"all go on":                      {[]any{ordered("a", 0, nil, nil), ordered("b", 0, &yes, nil)}, "to-a to-b"},
		"the first ends it":              {[]any{ordered("b", 0, nil, nil), ordered("a", 0, &no, nil)}, "to-a"},
		"the last ends it":               {[]any{ordered("b", 0, &no, nil), ordered("a", 0, nil, nil)}, "to-a to-b"},
		"the order comes before names":   {[]any{ordered("b", -1, &no, nil), ordered("a", 0, nil, nil)}, "to-b"},
		"one that does not select it":    {[]any{ordered("a", 0, &no, matching("x", "y")), ordered("b", 0, nil, nil)}, "to-b"},
		"within the order names decide":  {[]any{ordered("c", 5, nil, nil), ordered("b", 5, &no, nil), ordered("a", 5, nil, nil)}, "to-a to-b"},
		"one that chooses nobody, still": {[]any{ordered("0", 0, &no, nil), ordered("a", 1, nil, nil)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			table := NewTable(Config{Policy: RouterOnly})
			for _, name := range []string{"to-a", "to-b", "to-c"} {
				put(t, table, withEmail(name, tenant("x"), nil))
			}

			put(t, table, test.routers...)

			var (
				result Result
				names  []string
			)

			table.Route(labels.FromStrings("a", "b"), &result)

			for _, match := range result.Matches {
				names = append(names, match.Receiver.Name)
			}

			if got := strings.Join(names, " "); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestReceiverOf(t *testing.T) {
	broken := withBoth("r", tenant("ann"), matching("", "x"))
	broken.UID = "1234"
	broken.Spec.Webhook.AlertSelector = matching("a", "b")

	made, problems := ReceiverOf(broken, ownership())
	if len(problems) != 1 || problems[0].Field != "spec.email.alertSelector.matchLabels[]" {
		t.Fatalf("problems: %v", problems)
	}

	if made.UID != "1234" || made.Owner.Tenant != "ann" || made.Channels[0].Enabled || made.Channels[0].Broken == "" {
		t.Errorf("made %+v", made)
	}

	table := NewTable(Config{})
	table.PutReceiver(made)

	want := []string{"r: webhook via tenant"}
	if diff := cmp.Diff(want, route(table, labels.FromStrings("namespace", "ann", "a", "b"))); diff != "" {
		t.Error("the other channel:", diff)
	}

	every := &notificationv2beta2.Receiver{Spec: notificationv2beta2.ReceiverSpec{
		DingTalk: &notificationv2beta2.DingTalkReceiver{}, Email: &notificationv2beta2.EmailReceiver{},
		Slack: &notificationv2beta2.SlackReceiver{}, Webhook: &notificationv2beta2.WebhookReceiver{},
		Wechat: &notificationv2beta2.WechatReceiver{}, Sms: &notificationv2beta2.SmsReceiver{},
		Pushover: &notificationv2beta2.PushoverReceiver{}, Feishu: &notificationv2beta2.FeishuReceiver{},
		Discord: &notificationv2beta2.DiscordReceiver{}, Telegram: &notificationv2beta2.TelegramReceiver{},
		Teams: &notificationv2beta2.TeamsReceiver{},
	}}

	made, _ = ReceiverOf(every, ownership())
	types := strings.Join(slices.Collect(made.Types(made.withTypes())), " ")

	const all = "dingtalk email slack webhook wechat sms pushover feishu discord telegram teams"
	if types != all {
		t.Errorf("channels %s, want %s", types, all)
	}
}

func TestRouterOf(t *testing.T) {
	broken := routerTo("r", matching("", "x"), notificationv2beta2.ReceiverSelector{
		RegexName: "(",
		Selector: &apiSelector{
			MatchExpressions: []notificationv2beta2.LabelSelectorRequirement{{Key: "a", Operator: "Is"}},
		},
	})

	made, problems := RouterOf(broken)

	var fields []string
	for _, problem := range problems {
		fields = append(fields, problem.Field)
	}

	want := []string{
		"spec.alertSelector.matchLabels[]",
		"spec.receivers.regexName",
		"spec.receivers.selector.matchExpressions[0].operator",
	}
	if diff := cmp.Diff(want, fields); diff != "" || made != nil {
		t.Error(made, diff)
	}
}

func TestChosenAndUnknown(t *testing.T) {
	table := NewTable(Config{})
	put(t, table,
		withEmail("b", global(), nil), withEmail("a", tenant("x"), nil), withEmail("ignored", nil, nil),
		routerTo("r", nil, notificationv2beta2.ReceiverSelector{Name: []string{"z", "b", "a", "ignored"}}),
	)

	if diff := cmp.Diff([]string{"a", "b"}, table.Chosen("r")); diff != "" {
		t.Error(diff)
	}

	if diff := cmp.Diff([]string{"z"}, table.Unknown("r")); diff != "" {
		t.Error(diff)
	}

	if table.Chosen("missing") != nil || table.Unknown("missing") != nil {
		t.Error("there is no such router")
	}

	if one, present := table.Receiver("a"); !present || one.Name != "a" || table.Receivers() != 3 {
		t.Error(one, present, table.Receivers())
	}

	if _, present := table.Receiver("z"); present {
		t.Error("there is no such receiver")
	}
}

func TestTooManyChannels(t *testing.T) {
	many := &Receiver{Name: "many", Owner: selector.Owner{Kind: selector.Global}}
	for i := range maxChannels + 10 {
		many.Channels = append(many.Channels, Channel{Type: strconv.Itoa(i), Enabled: true})
	}

	table := NewTable(Config{})
	table.PutReceiver(many)

	var result Result

	table.Route(labels.FromStrings("a", "b"), &result)

	if len(result.Matches) != 1 || result.Matches[0].Channels != ^ChannelSet(0) {
		t.Errorf("%+v", result.Matches)
	}

	if len(many.Channels) != maxChannels+10 {
		t.Error("what was given has changed")
	}
}

func TestConfigOf(t *testing.T) {
	type spec = notificationv2beta2.NotificationManagerSpec

	for name, test := range map[string]struct {
		spec   spec
		want   Config
		fields []string
	}{
		"nothing":       {spec{}, Config{Policy: All, Tenants: NamespaceLabel}, nil},
		"the defaults":  {spec{RoutePolicy: "All", TenantMatch: "NamespaceLabel"}, Config{Policy: All, Tenants: NamespaceLabel}, nil},
		"the others":    {spec{RoutePolicy: "RouterFirst", TenantMatch: "RuleLevel"}, Config{Policy: RouterFirst, Tenants: RuleLevel}, nil},
		"routers only":  {spec{RoutePolicy: "RouterOnly"}, Config{Policy: RouterOnly}, nil},
		"unknown words": {spec{RoutePolicy: "all", TenantMatch: "Any"}, Config{}, []string{"spec.routePolicy", "spec.tenantMatch"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, problems := ConfigOf(&test.spec, nil)
			same := got.Policy == test.want.Policy && got.Tenants == test.want.Tenants

			var fields []string
			for _, problem := range problems {
				fields = append(fields, problem.Field)
			}

			if !same || !slices.Equal(fields, test.fields) {
				t.Errorf("%+v, %v", got, problems)
			}
		})
	}
}

func TestWords(t *testing.T) {
	got := fmt.Sprint(All, RouterFirst, RouterOnly, Policy(9), NamespaceLabel, RuleLevel, TenantMatch(9),
		ViaGlobal|ViaTenant|ViaRouter)
	if want := "All RouterFirst RouterOnly Unknown NamespaceLabel RuleLevel Unknown global+tenant+router"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestExplain(t *testing.T) {
	type choice = notificationv2beta2.ReceiverSelector

	off, no := false, false

	half := withBoth("half", tenant("ann"), matching("severity", "critical"))
	half.Spec.Webhook.Enabled = &off

	last := routerTo("b-last", nil, choice{Name: []string{"routed"}, Type: "email"})
	last.Spec.Continue = &no

	disabled := routerTo("d-off", nil, choice{})
	disabled.Spec.Enabled = &off

	table := NewTable(Config{Resolve: members(map[string][]string{"shop": {"bob", "ann"}})})
	put(t, table,
		withEmail("everybody", global(), nil), half, withEmail("silent", tenant("bob"), nil),
		withEmail("other", tenant("carl"), nil), withBoth("routed", tenant("carl"), nil),
		withEmail("ignored", nil, nil),
		routerTo("a-not", matching("severity", "critical"), choice{Name: []string{"other"}}),
		last, routerTo("c-late", nil, choice{Name: []string{"other"}}), disabled,
	)

	silenced := func(owner selector.Owner, _ labels.Labels) (string, bool) { return "holidays", owner.Tenant == "bob" }
	alert := labels.FromStrings("namespace", "shop", "severity", "info")
	got := table.Explain(alert, silenced, "other", "ignored", "missing")

	carl := selector.Owner{Kind: selector.Tenant, Tenant: "carl"}
	notHis := "its tenant carl is none of namespace shop: ann, bob"
	nobody := "its labels make it neither a global receiver nor a tenant's"

	want := Explanation{
		Policy:  All,
		Tenants: []string{"ann", "bob"},
		Routers: []RouterVerdict{
			{Name: "a-not", Why: `label severity is "info", not one of ["critical"]`, Receivers: []string{"other"}},
			{Name: "b-last", Selected: true, Receivers: []string{"routed"}},
			{Name: "c-late", Why: "router b-last comes before it, selects the alert, and has continue: false", Receivers: []string{"other"}},
			{Name: "d-off", Why: "it is switched off", Receivers: []string{}},
		},
		Receivers: []ReceiverVerdict{
			{Name: "everybody", Owner: selector.Owner{Kind: selector.Global}, Told: true, Via: ViaGlobal, Channels: []ChannelVerdict{{Type: "email", Told: true}}},
			{Name: "half", Owner: selector.Owner{Kind: selector.Tenant, Tenant: "ann"}, Via: ViaTenant, Channels: []ChannelVerdict{
				{Type: "email", Why: `its alertSelector does not select the alert: label severity is "info", not one of ["critical"]`},
				{Type: "webhook", Why: "it is switched off"},
			}},
			{Name: "ignored", Why: nobody, Channels: []ChannelVerdict{{Type: "email", Why: nobody}}},
			{Name: "missing", Why: "there is no such receiver"},
			{Name: "other", Owner: carl, Why: notHis, Channels: []ChannelVerdict{{Type: "email", Why: notHis}}},
			{Name: "routed", Owner: carl, Told: true, Via: ViaRouter, Routers: []string{"b-last"}, Channels: []ChannelVerdict{
				{Type: "email", Told: true},
				{Type: "webhook", Why: "the routers that chose the receiver name other types of channels"},
			}},
			{Name: "silent", Owner: selector.Owner{Kind: selector.Tenant, Tenant: "bob"}, Via: ViaTenant, Channels: []ChannelVerdict{{Type: "email", Why: "silenced by holidays"}}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestExplainPolicyAndTenants(t *testing.T) {
	router := routerTo("r", nil, notificationv2beta2.ReceiverSelector{Name: []string{"bob"}})

	for name, test := range map[string]struct {
		config Config
		alert  labels.Labels
		want   string
	}{
		"first":      {Config{Policy: RouterFirst}, labels.FromStrings("namespace", "ann"), "no router chose it, and the route policy RouterFirst asks nobody else when routers chose somebody"},
		"only":       {Config{Policy: RouterOnly}, labels.FromStrings("namespace", "ann"), "no router chose it, and the route policy RouterOnly asks nobody else"},
		"namespace":  {Config{}, labels.FromStrings("a", "b"), "the alert has no label namespace"},
		"rule level": {Config{Tenants: RuleLevel}, labels.FromStrings("namespace", "ann"), `tenants are told of alerts with rule_level=namespace, and the alert's is ""`},
		"no tenants": {Config{Resolve: members(nil)}, labels.FromStrings("namespace", "ann"), "namespace ann has no tenants"},
	} {
		t.Run(name, func(t *testing.T) {
			table := NewTable(test.config)
			put(t, table, withEmail("ann", tenant("ann"), nil), withEmail("bob", tenant("bob"), nil), router)

			got := table.Explain(test.alert, nil, "ann").Receivers
			if len(got) != 2 || got[0].Why != test.want || got[0].Told || !got[1].Told {
				t.Errorf("%+v, want %s", got, test.want)
			}
		})
	}
}
