package conformance_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

const notificationGroup = "notification.kubesphere.io"

// notificationManager is a NotificationManager with further fields in its spec.
func notificationManager(fields string) attempt {
	const required = `"receivers": {"tenantKey": "user", "globalReceiverSelector": {}, "tenantReceiverSelector": {}}`

	return attempt{"NotificationManager", `{"spec": {` + required + `, ` + fields + `}}`}
}

// delivery is a NotificationManager with a delivery.
func delivery(fields string) attempt { return notificationManager(`"delivery": {` + fields + `}`) }

// config is a Config.
func config(fields string) attempt { return attempt{"Config", `{"spec": {` + fields + `}}`} }

// slack is a Config with a credential.
func slack(credential string) attempt {
	return config(`"slack": {"slackTokenSecret": ` + credential + `}`)
}

// receiver is a Receiver.
func receiver(fields string) attempt { return attempt{"Receiver", `{"spec": {` + fields + `}}`} }

// interval is a Receiver with a time interval.
func interval(fields string) attempt { return receiver(`"timeIntervals": [{` + fields + `}]`) }

// router is a Router with further fields in its spec.
func router(fields string) attempt {
	return attempt{"Router", `{"spec": {"alertSelector": {}, "receivers": {}, ` + fields + `}}`}
}

// silence is a Silence with further fields in its spec.
func silence(fields string) attempt {
	return attempt{"Silence", `{"spec": {"matcher": {}, ` + fields + `}}`}
}

// inhibit is an InhibitRule.
func inhibit(fields string) attempt { return attempt{"InhibitRule", `{"spec": {` + fields + `}}`} }

// notificationPolicy is a NotificationPolicy.
func notificationPolicy(fields string) attempt {
	return attempt{"NotificationPolicy", `{"spec": {` + fields + `}}`}
}

// What KubeSphere 3.4 and 4.1 take is taken, however little sense it makes: the objects say what is wrong.
func TestNotificationThatIsAccepted(t *testing.T) {
	checkAccepted(t, map[string]attempt{
		"a manager without a spec":   {"NotificationManager", `{}`},
		"a config without a spec":    {"Config", `{}`},
		"a receiver without a spec":  {"Receiver", `{}`},
		"a router without a spec":    {"Router", `{}`},
		"a silence without a spec":   {"Silence", `{}`},
		"an unknown policy":          notificationManager(`"routePolicy": "Anywhere"`),
		"a time that is none":        notificationManager(`"batchMaxWait": "soon", "template": {"reloadCycle": "never"}`),
		"a batch of less than none":  notificationManager(`"batchMaxSize": -1, "replicas": -1`),
		"numbers beyond 32 bits":     notificationManager(`"replicas": 3000000000`),
		"a number with an exponent":  notificationManager(`"batchMaxSize": 1e3`),
		"an unknown pull policy":     notificationManager(`"imagePullPolicy": "Perhaps"`),
		"a part of an unknown pod":   notificationManager(`"affinity": {"planets": [1, null, {}]}, "tolerations": [{"a": 1}]`),
		"a sidecar of one's own":     notificationManager(`"sidecars": {"other": {"type": "x", "name": "y", "z": {}}}`),
		"no sidecars":                notificationManager(`"sidecars": {}`),
		"a port of no use":           config(`"email": {"from": "a", "smartHost": {"host": "b", "port": 70000}}`),
		"an address that is none":    config(`"email": {"from": "not an address", "smartHost": {"host": "", "port": 0}}`),
		"an unknown provider":        config(`"sms": {"defaultProvider": "pigeon", "providers": {}}`),
		"an empty value with a ref":  slack(`{"value": "", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}`),
		"the form of v2beta1":        slack(`{"name": "a", "key": "b"}`),
		"the form without a name":    slack(`{"key": "b"}`),
		"no channel":                 receiver(``),
		"an unknown type":            receiver(`"email": {"to": [], "tmplType": "poem"}, "discord": {"webhook": {"value": "a"}, "type": "x"}`),
		"neither url nor service":    receiver(`"webhook": {}`),
		"both url and service":       receiver(`"webhook": {"url": "", "service": {"namespace": "", "name": "", "port": -1, "scheme": "ftp"}}`),
		"the same address twice":     receiver(`"email": {"to": ["a", "a"]}`),
		"as many addresses as any":   receiver(`"email": {"to": [` + same(5000, `"a@example.com"`) + `]}`),
		"200 users of Feishu":        receiver(`"feishu": {"user": [` + many(200, numbered) + `]}`),
		"an unknown operator":        receiver(`"email": {"to": [], "alertSelector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}`),
		"an expression that is none": router(`"enabled": true`),
		"a regular one that is none": {"Router", `{"spec": {"alertSelector": {"matchExpressions": [{"key": "", "operator": "Match", "regexValue": "("}]}, "receivers": {"regexName": "["}}}`},
		"a schedule that is none":    silence(`"schedule": "at times"`),
		"a duration without a start": silence(`"duration": "1h"`),
		"durations of all units":     silence(`"duration": "1h2m3s4ms5us6µs7ns"`),
		"a negative duration":        silence(`"duration": "-1.5h"`),
		"no duration":                silence(`"duration": "0"`),
		"a start with an offset":     silence(`"startsAt": "2026-01-01T00:00:00+08:00"`),
	})
}

// What KubeSphere refuses is refused: by its schemas, and by the webhook that guards them.
func TestNotificationThatIsRefused(t *testing.T) {
	const email = `"from": "a", "smartHost": `

	checkRefused(t, map[string]refusal{
		"nobody to tell": {attempt{"NotificationManager", `{"spec": {}}`}, "spec.receivers: Required value"},
		"no tenant key": {
			attempt{
				"NotificationManager",
				`{"spec": {"receivers": {"globalReceiverSelector": {}, "tenantReceiverSelector": {}}}}`,
			},
			"spec.receivers.tenantKey: Required value",
		},
		"no selectors": {
			attempt{"NotificationManager", `{"spec": {"receivers": {"tenantKey": ""}}}`},
			"spec.receivers.globalReceiverSelector: Required value",
		},
		"history nowhere":        {notificationManager(`"history": {}`), "spec.history.webhook: Required value"},
		"a part of a number":     {notificationManager(`"replicas": 1.5`), "spec.replicas"},
		"nearly a number":        {notificationManager(`"replicas": 1.0000000001`), "spec.replicas"},
		"a number of any size":   {notificationManager(`"batchMaxSize": 1e300`), "spec.batchMaxSize"},
		"a pod's part in a word": {notificationManager(`"affinity": "near"`), "spec.affinity"},
		"a sidecar in a word":    {notificationManager(`"sidecars": {"tenant": "kubesphere"}`), "spec.sidecars"},
		"a toleration in a word": {notificationManager(`"tolerations": ["all"]`), "spec.tolerations[0]"},
		"a time in words": {
			notificationManager(`"delivery": {"retry": {"maxAge": 5}}`), "spec.delivery.retry.maxAge",
		},
		"mail from nobody":         {config(`"email": {"smartHost": {"host": "", "port": 1}}`), "spec.email.from: Required value"},
		"mail to no server":        {config(`"email": {"from": "a"}`), "spec.email.smartHost: Required value"},
		"mail to no port":          {config(`"email": {` + email + `{"host": "a"}}`), "spec.email.smartHost.port: Required value"},
		"nearly a port":            {config(`"email": {` + email + `{"host": "a", "port": 25.0000000001}}`), "spec.email.smartHost.port"},
		"no providers":             {config(`"sms": {}`), "spec.sms.providers: Required value"},
		"a provider of nothing":    {config(`"sms": {"providers": {"aws": {}}}`), "spec.sms.providers.aws.region: Required value"},
		"WeCom without a secret":   {config(`"wechat": {"wechatApiCorpId": "", "wechatApiAgentId": ""}`), "spec.wechat.wechatApiSecret: Required value"},
		"Feishu without a secret":  {config(`"feishu": {"appID": {"value": "a"}}`), "spec.feishu.appSecret: Required value"},
		"Telegram without a token": {config(`"telegram": {}`), "spec.telegram.telegramTokenSecret: Required value"},
		"no addresses":             {receiver(`"email": {}`), "spec.email.to: Required value"},
		"no channels":              {receiver(`"slack": {}`), "spec.slack.channels: Required value"},
		"a robot nowhere":          {receiver(`"dingtalk": {"chatbot": {}}`), "spec.dingtalk.chatbot.webhook: Required value"},
		"no conversations":         {receiver(`"dingtalk": {"conversation": {}}`), "spec.dingtalk.conversation.chatids: Required value"},
		"Discord nowhere":          {receiver(`"discord": {}`), "spec.discord.webhook: Required value"},
		"a service without a name": {receiver(`"webhook": {"service": {"namespace": "a"}}`), "spec.webhook.service.name: Required value"},
		"nearly a port of it":      {receiver(`"webhook": {"service": {"namespace": "", "name": "", "port": 1.0000000001}}`), "spec.webhook.service.port"},
		"201 users of Feishu":      {receiver(`"feishu": {"user": [` + many(201, numbered) + `]}`), "spec.feishu.user: Too many"},
		"a short user of Pushover": {receiver(`"pushover": {"profiles": [{"userKey": "short"}]}`), "spec.pushover.profiles[0].userKey"},
		"a template without name":  {receiver(`"slack": {"channels": [], "tmplText": {}}`), "spec.slack.tmplText.name: Required value"},
		"a selector without a key": {receiver(`"slack": {"channels": [], "alertSelector": {"matchExpressions": [{"operator": "In"}]}}`), "matchExpressions[0].key: Required value"},
		"a route for no alerts":    {attempt{"Router", `{"spec": {"receivers": {}}}`}, "spec.alertSelector: Required value"},
		"a route to nobody":        {attempt{"Router", `{"spec": {"alertSelector": {}}}`}, "spec.receivers: Required value"},
		"a channel of no tenant":   {attempt{"Router", `{"spec": {"alertSelector": {}, "receivers": {"channels": [{}]}}}`}, "channels[0].tenant: Required value"},
		"a silence for nothing":    {attempt{"Silence", `{"spec": {}}`}, "spec.matcher: Required value"},
		"a start at no time":       {silence(`"startsAt": "soon"`), "spec.startsAt"},
		"a start at an odd day":    {silence(`"startsAt": "2026-02-30T00:00:00Z"`), "spec.startsAt"},
		"a duration in words":      {silence(`"duration": "for good"`), "spec.duration"},
		"an empty duration":        {silence(`"duration": ""`), "spec.duration"},
		"a duration in days":       {silence(`"duration": "1d"`), "spec.duration"},
		"a duration in numbers":    {silence(`"duration": 60`), "spec.duration"},
	})
}

// A credential has one of its forms, in either version. What a client that knows v2beta1 alone makes of the form of
// v2beta2 is refused, or the credential would be lost.
func TestCredentials(t *testing.T) {
	const exactlyOne = "a credential has exactly one of value, valueFrom, and a reference with name and key"

	refused := map[string]string{
		"nothing":                          `{}`,
		"an empty value":                   `{"value": ""}`,
		"a value and its source":           `{"value": "a", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}`,
		"a value and a reference":          `{"value": "a", "name": "a", "key": "b"}`,
		"both forms of a reference":        `{"valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}, "name": "a", "key": "b"}`,
		"a name alone":                     `{"name": "a"}`,
		"what is left by a client of 3.4":  `{"name": "", "key": ""}`,
		"a reference with an empty key":    `{"name": "a", "key": ""}`,
		"a namespace alone":                `{"namespace": "a"}`,
		"all three":                        `{"value": "a", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}, "key": "b"}`,
		"an empty value and an empty form": `{"value": "", "key": ""}`,
	}

	for _, version := range versions("Config") {
		for name, credential := range refused {
			t.Run(version+"/"+name, func(t *testing.T) {
				err := slack(credential).createIn(t, version)
				if err == nil || !strings.Contains(err.Error(), "spec.slack.slackTokenSecret: Invalid value") ||
					!strings.Contains(err.Error(), exactlyOne) {
					t.Errorf("create: %v, want an error with the field and %q", err, exactlyOne)
				}
			})
		}

		for _, credential := range []string{
			`{"value": "a"}`, `{"name": "a", "key": "b"}`, `{"namespace": "n", "name": "a", "key": "b"}`,
			`{"valueFrom": {"secretKeyRef": {"namespace": "n", "name": "a", "key": "b"}}}`,
		} {
			t.Run(version+"/"+credential, func(t *testing.T) {
				if err := slack(credential).createIn(t, version); err != nil {
					t.Error(err)
				}
			})
		}
	}

	checkRefused(t, map[string]refusal{
		"a source of nothing": {slack(`{"valueFrom": {}}`), "slackTokenSecret.valueFrom.secretKeyRef: Required value"},
		"a source without a key": {
			slack(`{"valueFrom": {"secretKeyRef": {"name": "a"}}}`), "valueFrom.secretKeyRef.key: Required value",
		},
	})
}

// createIn tries to in a version, and leaves nothing.
func (a attempt) createIn(t *testing.T, version string) error {
	t.Helper()

	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(a.object), &object.Object); err != nil {
		t.Fatal(err)
	}

	object.SetAPIVersion(groupOf(a.kind) + "/" + version)
	object.SetKind(a.kind)
	object.SetName("attempt")

	return newAdmin(t).Create(t.Context(), object, client.DryRunAll)
}

// What is of this project has bounds, so that the API server can check it and an engine can hold it.
func TestAdditionsToManagersAreBounded(t *testing.T) {
	list := func(n int) string { return `[` + many(n, numbered) + `]` }
	networks := func(n int) string {
		return `[` + many(n, func(i int) string { return fmt.Sprintf(`"10.%d.%d.0/24"`, i/256, i%256) }) + `]`
	}

	checkRefused(t, map[string]refusal{
		"an unknown mode":           {notificationManager(`"mode": "Both"`), "spec.mode"},
		"an unknown match":          {notificationManager(`"tenantMatch": "Guess"`), "spec.tenantMatch"},
		"a wait of no time":         {notificationManager(`"grouping": {"wait": "long"}`), "spec.grouping.wait"},
		"a negative wait":           {notificationManager(`"grouping": {"wait": "-1s"}`), `spec.grouping.wait: Invalid value: "-1s": must be a duration from 0s to 1h`},
		"a long wait":               {notificationManager(`"grouping": {"wait": "61m"}`), "spec.grouping.wait"},
		"a short interval":          {notificationManager(`"grouping": {"interval": "999ms"}`), "spec.grouping.interval"},
		"a long interval":           {notificationManager(`"grouping": {"interval": "25h"}`), "spec.grouping.interval"},
		"a short repeat":            {notificationManager(`"grouping": {"repeat": "59s"}`), "spec.grouping.repeat"},
		"a long repeat":             {notificationManager(`"grouping": {"repeat": "721h"}`), "spec.grouping.repeat"},
		"a time in many digits":     {notificationManager(`"grouping": {"wait": "` + strings.Repeat("0", 32) + `s"}`), "spec.grouping.wait"},
		"a zone of odd letters":     {notificationManager(`"template": {"timeZone": "Asia/Shanghai;"}`), "spec.template.timeZone"},
		"a long zone":               {notificationManager(`"template": {"timeZone": ` + long(65) + `}`), "spec.template.timeZone"},
		"too many pull secrets":     {notificationManager(`"imagePullSecrets": [` + many(33, func(i int) string { return `{"name": ` + numbered(i) + `}` }) + `]`), "spec.imagePullSecrets: Too many"},
		"a pull secret twice":       {notificationManager(`"imagePullSecrets": [{"name": "a"}, {"name": "a"}]`), "spec.imagePullSecrets[1]: Duplicate value"},
		"a pull secret of no name":  {notificationManager(`"imagePullSecrets": [{"name": ""}]`), "spec.imagePullSecrets[0].name"},
		"no budget":                 {notificationManager(`"podDisruptionBudget": {}`), "give one of minAvailable and maxUnavailable"},
		"two budgets":               {notificationManager(`"podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": 1}`), "give one of minAvailable and maxUnavailable"},
		"a budget below zero":       {notificationManager(`"podDisruptionBudget": {"minAvailable": -1}`), "spec.podDisruptionBudget.minAvailable"},
		"nearly a budget":           {notificationManager(`"podDisruptionBudget": {"minAvailable": 1.0000000001}`), "spec.podDisruptionBudget.minAvailable"},
		"a budget above all":        {notificationManager(`"podDisruptionBudget": {"maxUnavailable": "101%"}`), "spec.podDisruptionBudget.maxUnavailable"},
		"a budget in words":         {notificationManager(`"podDisruptionBudget": {"maxUnavailable": "some"}`), "spec.podDisruptionBudget.maxUnavailable"},
		"a long class":              {notificationManager(`"priorityClassName": ` + long(254)), "spec.priorityClassName"},
		"an unknown acknowledgment": {delivery(`"ackPolicy": "Never"`), "spec.delivery.ackPolicy"},
		"a short age":               {delivery(`"retry": {"maxAge": "59s"}`), `spec.delivery.retry.maxAge: Invalid value: "59s": must be a duration from 1m to 168h`},
		"a long age":                {delivery(`"retry": {"maxAge": "169h"}`), "spec.delivery.retry.maxAge"},
		"a short back-off":          {delivery(`"retry": {"minBackoff": "99ms"}`), "spec.delivery.retry.minBackoff"},
		"a long back-off":           {delivery(`"retry": {"maxBackoff": "7h"}`), "spec.delivery.retry.maxBackoff"},
		"a back-off of no time":     {delivery(`"retry": {"maxBackoff": ""}`), "spec.delivery.retry.maxBackoff"},
		"two disks":                 {delivery(`"storage": {"emptyDir": {}, "volumeClaimTemplate": {"spec": {}}}`), "give one of volumeClaimTemplate and emptyDir"},
		"a claim of nothing":        {delivery(`"storage": {"volumeClaimTemplate": {}}`), "volumeClaimTemplate.spec: Required value"},
		"a disk of no size":         {delivery(`"storage": {"emptyDir": {"sizeLimit": "large"}}`), "spec.delivery.storage.emptyDir.sizeLimit"},
		"a disk for nothing":        {delivery(`"storage": {"emptyDir": {"sizeLimit": 0}}`), "must be an amount of bytes such as 1Gi"},
		"a disk of an odd size":     {delivery(`"storage": {"emptyDir": {"sizeLimit": "1e1.5"}}`), "spec.delivery.storage.emptyDir.sizeLimit"},
		"few that wait":             {delivery(`"maxPending": 999`), "spec.delivery.maxPending"},
		"many that wait":            {delivery(`"maxPending": 10000001`), "spec.delivery.maxPending"},
		"nearly as many":            {delivery(`"maxPending": 1000.0000000001`), "spec.delivery.maxPending"},
		"a network that is none":    {delivery(`"egress": {"allow": ["intranet"]}`), "spec.delivery.egress.allow[0]"},
		"an address is no network":  {delivery(`"egress": {"deny": ["10.0.0.1"]}`), "spec.delivery.egress.deny[0]"},
		"a network twice":           {delivery(`"egress": {"deny": ["10.0.0.0/8", "10.0.0.0/8"]}`), "spec.delivery.egress.deny[1]: Duplicate value"},
		"too many networks":         {delivery(`"egress": {"allow": ` + networks(257) + `}`), "spec.delivery.egress.allow: Too many"},
		"private perhaps":           {delivery(`"egress": {"tenantPrivateNetworks": "Perhaps"}`), "spec.delivery.egress.tenantPrivateNetworks"},
		"an unknown secret policy":  {delivery(`"tenantSecretPolicy": "Trust"`), "spec.delivery.tenantSecretPolicy"},
		"a guard that lets none in": {notificationManager(`"auth": {}`), "give bearerToken or tokenReview"},
		"a guard for odd places":    {notificationManager(`"auth": {"endpoints": "Some", "bearerToken": {"value": "a"}}`), "spec.auth.endpoints"},
		"a review of nobody":        {notificationManager(`"auth": {"tokenReview": {"users": []}}`), "name users or groups"},
		"too many users":            {notificationManager(`"auth": {"tokenReview": {"users": ` + list(257) + `}}`), "spec.auth.tokenReview.users: Too many"},
		"an empty group":            {notificationManager(`"auth": {"tokenReview": {"groups": [""]}}`), "spec.auth.tokenReview.groups[0]"},
		"too many audiences":        {notificationManager(`"auth": {"tokenReview": {"users": ["a"], "audiences": ` + list(33) + `}}`), "spec.auth.tokenReview.audiences: Too many"},
		"a hasty watchdog":          {notificationManager(`"watchdog": {"timeout": "59s"}`), "spec.watchdog.timeout"},
		"a sleepy watchdog":         {notificationManager(`"watchdog": {"timeout": "25h"}`), "spec.watchdog.timeout"},
		"a watchdog for too much":   {notificationManager(`"watchdog": {"matcher": {"matchLabels": {` + pairs(33) + `}}}`), "spec.watchdog.matcher: Invalid value: must have at most 32"},
		"a watchdog for too many":   {notificationManager(`"watchdog": {"receivers": ` + list(101) + `}`), "spec.watchdog.receivers: Too many"},
	})

	checkAccepted(t, map[string]attempt{
		"nothing said":          notificationManager(`"delivery": {}, "grouping": {}, "watchdog": {}`),
		"the least":             delivery(`"maxPending": 1000, "retry": {"maxAge": "1m", "minBackoff": "100ms", "maxBackoff": "1s"}`),
		"the most":              delivery(`"maxPending": 10000000, "retry": {"maxAge": "168h", "minBackoff": "1h", "maxBackoff": "6h"}, "egress": {"allow": ` + networks(256) + `}`),
		"a size in bytes":       delivery(`"storage": {"emptyDir": {"sizeLimit": 1073741824}}`),
		"a budget of a percent": notificationManager(`"podDisruptionBudget": {"minAvailable": "0%"}`),
		"a budget of none":      notificationManager(`"podDisruptionBudget": {"maxUnavailable": 0}`),
	})
}

func TestAdditionsToReceiversAreBounded(t *testing.T) {
	checkRefused(t, map[string]refusal{
		"an API elsewhere":         {config(`"slack": {"apiURL": "ftp://a"}`), "spec.slack.apiURL"},
		"an API with a space":      {config(`"telegram": {"telegramTokenSecret": {"value": "a"}, "apiURL": "http://a b"}`), "spec.telegram.apiURL"},
		"a long API":               {config(`"dingtalk": {"apiURL": "http://` + strings.Repeat("a", 2048) + `"}`), "spec.dingtalk.apiURL"},
		"Teams nowhere":            {receiver(`"teams": {}`), "spec.teams.webhook: Required value"},
		"Teams without a secret":   {receiver(`"teams": {"webhook": {}}`), "spec.teams.webhook: Invalid value"},
		"a long title":             {receiver(`"teams": {"webhook": {"value": "a"}, "titleTemplate": ` + long(1025) + `}`), "spec.teams.titleTemplate"},
		"a rate of nothing":        {receiver(`"rateLimit": {}`), "spec.rateLimit.messages: Required value"},
		"a rate of none":           {receiver(`"rateLimit": {"messages": 0}`), "spec.rateLimit.messages"},
		"a rate of many":           {receiver(`"rateLimit": {"messages": 100001}`), "spec.rateLimit.messages"},
		"nearly a rate":            {receiver(`"rateLimit": {"messages": 1.0000000001}`), "spec.rateLimit.messages"},
		"a rate in an instant":     {receiver(`"rateLimit": {"messages": 1, "per": "1ms"}`), `spec.rateLimit.per: Invalid value: "1ms": must be a duration from 1s to 24h`},
		"a rate in a week":         {receiver(`"rateLimit": {"messages": 1, "per": "168h"}`), "spec.rateLimit.per"},
		"a short age":              {receiver(`"retry": {"maxAge": "1s"}`), "spec.retry.maxAge"},
		"too many intervals":       {receiver(`"timeIntervals": [` + same(33, `{}`) + `]`), "spec.timeIntervals: Too many"},
		"an unknown day":           {interval(`"weekdays": ["Caturday"]`), "spec.timeIntervals[0].weekdays[0]"},
		"a day twice":              {interval(`"weekdays": ["Monday", "Monday"]`), "spec.timeIntervals[0].weekdays[1]: Duplicate value"},
		"a day of no number":       {interval(`"daysOfMonth": [0]`), "spec.timeIntervals[0].daysOfMonth[0]"},
		"a day after all":          {interval(`"daysOfMonth": [32]`), "spec.timeIntervals[0].daysOfMonth[0]"},
		"a day before all":         {interval(`"daysOfMonth": [-32]`), "spec.timeIntervals[0].daysOfMonth[0]"},
		"nearly a day":             {interval(`"daysOfMonth": [1.0000000001]`), "spec.timeIntervals[0].daysOfMonth[0]"},
		"a month of no number":     {interval(`"months": [0]`), "spec.timeIntervals[0].months[0]"},
		"a month after all":        {interval(`"months": [13]`), "spec.timeIntervals[0].months[0]"},
		"a time of no day":         {interval(`"from": "24:00"`), "spec.timeIntervals[0].from"},
		"a time in words":          {interval(`"to": "noon"`), "spec.timeIntervals[0].to"},
		"a zone of odd letters":    {interval(`"timeZone": "CET CEST"`), "spec.timeIntervals[0].timeZone"},
		"the order of a late one":  {router(`"order": 1000001`), "spec.order"},
		"the order of an early":    {router(`"order": -1000001`), "spec.order"},
		"nearly an order":          {router(`"order": 1.0000000001`), "spec.order"},
		"an end before the start":  {silence(`"startsAt": "2026-01-02T00:00:00Z", "endsAt": "2026-01-01T00:00:00Z"`), "endsAt must be after startsAt"},
		"an end by another offset": {silence(`"startsAt": "2026-01-02T00:00:00Z", "endsAt": "2026-01-02T01:00:00+08:00"`), "endsAt must be after startsAt"},
		"an end at no time":        {silence(`"endsAt": "never"`), "spec.endsAt"},
		"a silence's odd zone":     {silence(`"timeZone": "?"`), "spec.timeZone"},
		"a long comment":           {silence(`"comment": ` + long(1025)), "spec.comment"},
		"a long name":              {silence(`"createdBy": ` + long(254)), "spec.createdBy"},
	})

	checkAccepted(t, map[string]attempt{
		"a whole month":        interval(`"daysOfMonth": [` + many(31, func(i int) string { return strconv.Itoa(i + 1) }) + `]`),
		"an interval of night": interval(`"from": "22:00", "to": "06:00"`),
		"a silence of seconds": silence(`"startsAt": "2026-01-02T00:00:00Z", "endsAt": "2026-01-02T00:00:00.5Z"`),
	})
}

func TestInhibitRulesAndNotificationPoliciesAreBounded(t *testing.T) {
	const some = `{"matchLabels": {"a": "b"}}`

	list := func(n int) string { return `[` + many(n, numbered) + `]` }
	rule := func(fields string) attempt {
		return inhibit(`"sourceMatcher": ` + some + `, "targetMatcher": ` + some + `, ` + fields)
	}
	limits := func(fields string) attempt { return notificationPolicy(`"limits": {` + fields + `}`) }
	egress := func(fields string) attempt { return notificationPolicy(`"allow": {"egress": {` + fields + `}}`) }

	checkRefused(t, map[string]refusal{
		"a rule without a spec":   {attempt{"InhibitRule", `{}`}, "spec: Required value"},
		"a rule for nothing":      {inhibit(`"sourceMatcher": ` + some), "spec.targetMatcher: Required value"},
		"a rule by everything":    {inhibit(`"sourceMatcher": {}, "targetMatcher": ` + some), "spec.sourceMatcher: Invalid value: must select by a label at least"},
		"a rule for everything":   {inhibit(`"sourceMatcher": ` + some + `, "targetMatcher": {"matchLabels": {}}`), "spec.targetMatcher: Invalid value: must select by a label at least"},
		"a rule by too much":      {inhibit(`"targetMatcher": ` + some + `, "sourceMatcher": {"matchLabels": {` + pairs(33) + `}}`), "spec.sourceMatcher: Invalid value: must have at most 32"},
		"too many labels":         {rule(`"equal": ` + list(33)), "spec.equal: Too many"},
		"a label twice":           {rule(`"equal": ["a", "a"]`), "spec.equal[1]: Duplicate value"},
		"an empty label":          {rule(`"equal": [""]`), "spec.equal[0]"},
		"a long label":            {rule(`"equal": [` + long(129) + `]`), "spec.equal[0]"},
		"a long comment":          {rule(`"comment": ` + long(1025)), "spec.comment"},
		"too urgent":              {notificationPolicy(`"priority": 1000001`), "spec.priority"},
		"an unknown mode":         {notificationPolicy(`"mode": "Maybe"`), "spec.mode"},
		"too many tenants":        {notificationPolicy(`"selector": {"tenants": ` + list(1001) + `}`), "spec.selector.tenants: Too many"},
		"a tenant twice":          {notificationPolicy(`"selector": {"tenants": ["a", "a"]}`), "spec.selector.tenants[1]: Duplicate value"},
		"an empty tenant":         {notificationPolicy(`"selector": {"tenants": [""]}`), "spec.selector.tenants[0]"},
		"fewer than none":         {limits(`"receivers": -1`), "spec.limits.receivers"},
		"too many receivers":      {limits(`"receivers": 10001`), "spec.limits.receivers"},
		"too many targets":        {limits(`"targets": 10001`), "spec.limits.targets"},
		"a rate of none":          {limits(`"rate": {"messages": 0}`), "spec.limits.rate.messages"},
		"none may wait":           {limits(`"pending": 0`), "spec.limits.pending"},
		"too many wait":           {limits(`"pending": 1000001`), "spec.limits.pending"},
		"an unknown channel":      {notificationPolicy(`"allow": {"channels": ["pigeon"]}`), "spec.allow.channels[0]"},
		"a channel twice":         {notificationPolicy(`"allow": {"channels": ["email", "email"]}`), "spec.allow.channels[1]: Duplicate value"},
		"a network that is none":  {egress(`"allow": ["10.0.0.0/33"]`), "spec.allow.egress.allow[0]"},
		"a network refused twice": {egress(`"deny": ["10.0.0.0/8", "10.0.0.0/8"]`), "spec.allow.egress.deny[1]: Duplicate value"},
		"a host with a port":      {egress(`"hosts": ["example.com:443"]`), "spec.allow.egress.hosts[0]"},
		"a star in the midst":     {egress(`"hosts": ["a.*.example.com"]`), "spec.allow.egress.hosts[0]"},
		"an empty host":           {egress(`"hosts": [""]`), "spec.allow.egress.hosts[0]"},
		"private perhaps":         {egress(`"privateNetworks": "Perhaps"`), "spec.allow.egress.privateNetworks"},
		"too many namespaces":     {notificationPolicy(`"allow": {"secrets": {"namespaces": ` + list(257) + `}}`), "spec.allow.secrets.namespaces: Too many"},
		"values perhaps":          {notificationPolicy(`"allow": {"secrets": {"values": "Perhaps"}}`), "spec.allow.secrets.values"},
		"defaults perhaps":        {notificationPolicy(`"allow": {"secrets": {"defaultConfigs": "Perhaps"}}`), "spec.allow.secrets.defaultConfigs"},
	})

	checkAccepted(t, map[string]attempt{
		"nothing asked":      {"NotificationPolicy", `{}`},
		"no channel at all":  notificationPolicy(`"allow": {"channels": []}`),
		"no object at all":   limits(`"receivers": 0, "targets": 0`),
		"a rule of the most": rule(`"equal": ` + list(32)),
	})
}

// The samples are what people begin with.
func TestSamplesOfNotificationAreAccepted(t *testing.T) {
	files, err := filepath.Glob("../../config/samples/notification-*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}

	strict := client.WithFieldValidation(newAdmin(t), "Strict")

	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if err := strict.Create(t.Context(), read(t, file), client.DryRunAll); err != nil {
				t.Error(err)
			}
		})
	}
}

// The objects in testdata have every field that a kind may have, so that none is lost unseen. What several places have
// in common, as credentials, has to be whole in one of them.
func TestEveryFieldOfNotificationIsTried(t *testing.T) {
	schemas := specsOfNotification(t)
	if len(schemas) != 7 {
		t.Errorf("%d kinds, want 7", len(schemas))
	}

	known, tried := map[string]bool{}, map[string]bool{}
	for kind, schema := range schemas {
		addKnown(known, kind, schema)
	}

	for _, file := range testdata(t) {
		if object := read(t, file); object.GroupVersionKind().Group == notificationGroup {
			addTried(tried, object.GetKind(), schemas[object.GetKind()], object.Object["spec"])
		}
	}

	for _, field := range slices.Sorted(maps.Keys(known)) {
		if !tried[field] {
			t.Errorf("nothing in testdata has %s", field)
		}
	}
}

// specsOfNotification are the schemas of the specs, by kind, in the last version.
func specsOfNotification(t *testing.T) map[string]map[string]any {
	t.Helper()

	definitions := &unstructured.UnstructuredList{}
	definitions.SetAPIVersion("apiextensions.k8s.io/v1")
	definitions.SetKind("CustomResourceDefinitionList")

	if err := newAdmin(t).List(t.Context(), definitions); err != nil {
		t.Fatal(err)
	}

	schemas := map[string]map[string]any{}

	for i := range definitions.Items {
		if !strings.HasSuffix(definitions.Items[i].GetName(), "."+notificationGroup) {
			continue
		}

		kind, _ := servedBy(t, &definitions.Items[i])
		all, _, _ := unstructured.NestedSlice(definitions.Items[i].Object, "spec", "versions")
		last := all[len(all)-1].(map[string]any)
		schemas[kind], _, _ = unstructured.NestedMap(last, "schema", "openAPIV3Schema", "properties", "spec")
	}

	return schemas
}

// addKnown adds the paths of all fields that a schema has.
func addKnown(known map[string]bool, path string, schema map[string]any) {
	path = common(path, schema)

	properties, _ := schema["properties"].(map[string]any)
	for name, inner := range properties {
		known[path+"."+name] = true
		addKnown(known, path+"."+name, inner.(map[string]any))
	}

	if items, has := schema["items"].(map[string]any); has {
		addKnown(known, path+"[]", items)
	}
}

// addTried adds the paths of all fields that a value has.
func addTried(tried map[string]bool, path string, schema map[string]any, value any) {
	path = common(path, schema)

	switch typed := value.(type) {
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		for name, inner := range typed {
			if property, has := properties[name].(map[string]any); has {
				tried[path+"."+name] = true
				addTried(tried, path+"."+name, property, inner)
			}
		}
	case []any:
		items, _ := schema["items"].(map[string]any)
		for _, inner := range typed {
			addTried(tried, path+"[]", items, inner)
		}
	}
}

// common is the name of what several places have, which is told by its fields, and otherwise the path.
func common(path string, schema map[string]any) string {
	properties, _ := schema["properties"].(map[string]any)

	for name, fields := range map[string][]string{
		"a credential":           {"value", "valueFrom"},
		"a selector":             {"matchLabels", "matchExpressions"},
		"a configuration of TLS": {"rootCA", "clientCertificate"},
		"a webhook":              {"httpConfig", "service"},
	} {
		if properties[fields[0]] != nil && properties[fields[1]] != nil {
			return name
		}
	}

	return path
}

// KubeSphere leaves the status empty. Of ours no field is lost, in either version.
func TestStatusOfNotification(t *testing.T) {
	admin := newAdmin(t)
	common := map[string]any{
		"observedGeneration": int64(1),
		"conditions": []any{map[string]any{
			"type": "Ready", "status": "True", "reason": "Ready", "message": "It is.", "observedGeneration": int64(1),
			"lastTransitionTime": "2026-01-01T00:00:00Z",
		}},
	}
	record := map[string]any{
		"time": "2026-01-01T00:00:00Z", "channel": "email", "reason": "Refused", "code": int64(554), "message": "No.",
	}

	statuses := map[string]map[string]any{
		"notificationmanager-all": {
			"replicas": int64(2), "readyReplicas": int64(1), "endpoint": "http://a-svc.b.svc:19093/api/v2/alerts",
			"pendingDeliveries": int64(5_000_000_000), "deadLetters": int64(3), "tenants": int64(4),
			"receivers": int64(5), "lastAlert": "2026-01-01T00:00:00Z", "lastWatchdog": "2026-01-01T00:00:00Z",
		},
		"notificationconfig-3.4": {"scope": "Default", "receivers": int64(2)},
		"notificationreceiver-3.4": {
			"scope": "Tenant", "tenant": "admin", "lastSuccess": record, "lastFailure": record,
			"sent": int64(5_000_000_000), "failed": int64(1),
			"channels": []any{map[string]any{"type": "email", "config": "default", "targets": int64(2)}},
		},
		"notificationrouter-4.1": {"matchedReceivers": int64(0), "unknownReceivers": []any{"a"}},
		"notificationsilence-4.1": {
			"scope": "Global", "phase": "Active", "activeUntil": "2026-01-01T00:00:00Z",
			"nextStart": "2026-01-01T00:00:00Z", "silencedAlerts": int64(7),
		},
		"notificationinhibitrule": {"inhibitedAlerts": int64(7)},
		"notificationpolicy": {
			"tenants": int64(0), "rejected": int64(1), "rejections": []any{map[string]any{
				"kind": "Receiver", "name": "a", "field": "spec.webhook.url", "message": "Take another host.",
			}},
		},
	}

	for file, want := range statuses {
		maps.Copy(want, common)

		original := read(t, "testdata/"+file+".yaml")
		for _, version := range versions(original.GetKind()) {
			t.Run(file+"/"+version, func(t *testing.T) {
				object := inVersion(original, version)
				if err := admin.Create(t.Context(), object); err != nil {
					t.Fatal(err)
				}

				defer remove(t, admin, object)

				object.Object["status"] = want
				if err := client.WithFieldValidation(admin, "Strict").Status().Update(t.Context(), object); err != nil {
					t.Fatal(err)
				}

				for _, reads := range versions(original.GetKind()) {
					if diff := cmp.Diff(any(want), found(t, admin, original, reads).Object["status"]); diff != "" {
						t.Errorf("status read in %s (-want +got):\n%s", reads, diff)
					}
				}
			})
		}
	}
}

// The defaults are the contract's.
func TestDefaultsOfNotificationManagers(t *testing.T) {
	admin := newAdmin(t)

	for _, version := range versions("NotificationManager") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(notificationManager(`"template": {}`).object), &object.Object); err != nil {
			t.Fatal(err)
		}

		object.SetAPIVersion(notificationGroup + "/" + version)
		object.SetKind("NotificationManager")
		object.SetName("defaults")

		if err := admin.Create(t.Context(), object, client.DryRunAll); err != nil {
			t.Fatal(err)
		}

		spec := object.Object["spec"].(map[string]any)
		delete(spec, "receivers")

		want := map[string]any{
			"batchMaxSize": int64(100), "batchMaxWait": "1m", "routePolicy": "All",
			"template": map[string]any{"reloadCycle": "1m", "language": "English"},
		}
		if diff := cmp.Diff(want, spec); diff != "" {
			t.Errorf("defaults in %s (-want +got):\n%s", version, diff)
		}
	}
}
