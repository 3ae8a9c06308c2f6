package notificationconfig

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/token"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/routing"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
	"github.com/ks-core/ks-controller-manager/pkg/notification/silence/schedule"
)

// world is what all objects depend on, made ready once for each state of it. Status does not count: what is written
// there changes nothing here.
type world struct {
	reader    client.Reader
	namespace func() string
	secrets   secretReader
	maps      *configMaps
	clock     clock.PassiveClock
	stack     *egress.Stack
	tokens    *token.Cache
	seed      maphash.Seed

	mutex     sync.Mutex
	mark      uint64
	platforms []*platform
	people    *people
}

// platform is one NotificationManager with what it uses.
type platform struct {
	name      string
	ownership selector.Ownership
	zone      *time.Location
	resolve   *resolve.Platform
	// findings are about the NotificationManager, the Configs and the policies; templates are about its templates.
	findings []resolve.Finding
	// limited says that a policy limits how many Receivers a tenant may have.
	limited bool
	// refused is what policies refuse, or would refuse, of each Receiver.
	mutex   sync.Mutex
	refused map[string]refused
}

type refused struct {
	version  string
	findings []resolve.Finding
}

// people are all Receivers, as Routers see them.
type people struct {
	mark  uint64
	items []*notificationv2beta2.Receiver
	// older is how many Receivers of the same tenant are older.
	older map[string]int

	mutex sync.Mutex
	table *routing.Table
}

func newWorld(
	reader client.Reader, namespace func() string, secrets secretReader, maps *configMaps, clock clock.PassiveClock,
) *world {
	return &world{
		reader: reader, namespace: namespace, secrets: secrets, maps: maps, clock: clock,
		stack: egress.New(egress.Options{}), tokens: token.New(clock.Now), seed: maphash.MakeSeed(),
	}
}

// list reads all objects of a kind.
func list[L client.ObjectList](ctx context.Context, reader client.Reader, into L) (L, error) {
	if err := reader.List(ctx, into, client.UnsafeDisableDeepCopy); err != nil {
		return into, fmt.Errorf("read a %T: %w", into, err)
	}

	return into, nil
}

func pointers[T any](items []T) []*T {
	made := make([]*T, 0, len(items))
	for i := range items {
		made = append(made, &items[i])
	}

	return made
}

// look gives the platforms, that of the oldest NotificationManager first.
func (w *world) look(ctx context.Context) ([]*platform, error) {
	managers, err := list(ctx, w.reader, &notificationv2beta2.NotificationManagerList{})
	if err != nil {
		return nil, err
	}

	configs, err := list(ctx, w.reader, &notificationv2beta2.ConfigList{})
	if err != nil {
		return nil, err
	}

	policies, err := list(ctx, w.reader, &notificationv2beta2.NotificationPolicyList{})
	if err != nil {
		return nil, err
	}

	w.mutex.Lock()
	defer w.mutex.Unlock()

	mark := w.printOf(managers.Items, configs.Items, policies.Items)
	if mark == w.mark && w.platforms != nil {
		return w.platforms, nil
	}

	w.platforms = []*platform{}

	for _, one := range byAge(pointers(managers.Items)) {
		w.platforms = append(w.platforms, w.open(ctx, one, pointers(configs.Items), pointers(policies.Items)))
	}

	w.mark, w.people = mark, nil

	return w.platforms, nil
}

// byAge sorts objects, the oldest first.
func byAge[T client.Object](objects []T) []T {
	slices.SortFunc(objects, func(a, b T) int {
		return cmp.Or(
			a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time), strings.Compare(a.GetName(), b.GetName()))
	})

	return objects
}

// printOf tells states of the world apart by what counts of the objects. The order of them does not.
func (w *world) printOf(
	managers []notificationv2beta2.NotificationManager, configs []notificationv2beta2.Config,
	policies []notificationv2beta2.NotificationPolicy,
) uint64 {
	var sum uint64

	for i := range managers {
		sum += w.printOne(&managers[i])

		for _, key := range w.templatesOf(&managers[i]) {
			sum += maphash.String(w.seed, key.String()+w.maps.version(key))
		}
	}

	for i := range configs {
		sum += w.printOne(&configs[i])
	}

	for i := range policies {
		sum += w.printOne(&policies[i])
	}

	return sum
}

// printOne tells states of an object apart.
func (w *world) printOne(object client.Object) uint64 {
	sum := maphash.Comparable(w.seed, [2]any{object.GetUID(), object.GetGeneration()})
	for key, value := range object.GetLabels() {
		sum += maphash.Comparable(w.seed, [3]string{string(object.GetUID()), key, value})
	}

	return sum
}

// templatesOf are the ConfigMaps with the templates and words of a NotificationManager.
func (w *world) templatesOf(object *notificationv2beta2.NotificationManager) []types.NamespacedName {
	var found []types.NamespacedName

	for _, one := range templateSelectors(object.Spec.Template) {
		found = append(found, w.mapKey(object, one))
	}

	return found
}

func templateSelectors(template *notificationv2beta2.Template) []*notificationv2beta2.ConfigmapKeySelector {
	if template == nil {
		return nil
	}

	found := pointers(template.LanguagePack)
	if template.Text != nil {
		found = append(found, template.Text)
	}

	return found
}

func (w *world) mapKey(
	object *notificationv2beta2.NotificationManager, one *notificationv2beta2.ConfigmapKeySelector,
) types.NamespacedName {
	return types.NamespacedName{
		Namespace: cmp.Or(one.Namespace, object.Spec.DefaultSecretNamespace, w.namespace()), Name: one.Name,
	}
}

// open makes a platform ready.
func (w *world) open(
	ctx context.Context, object *notificationv2beta2.NotificationManager,
	configs []*notificationv2beta2.Config, policies []*notificationv2beta2.NotificationPolicy,
) *platform {
	made := &platform{
		name: object.Name, ownership: selector.OwnershipOf(&object.Spec.Receivers), zone: time.UTC,
		refused: map[string]refused{},
	}

	made.limited = slices.ContainsFunc(policies, func(one *notificationv2beta2.NotificationPolicy) bool {
		return one.Spec.Limits.Receivers != nil
	})

	set, problems := w.templates(ctx, object)
	made.resolve, made.findings = resolve.New(resolve.Input{
		Manager: &object.Spec, Namespace: w.namespace(), Configs: configs, Policies: policies, Templates: set,
		Sources: sources(w.secrets, w.maps), //nolint:contextcheck // what is named is looked up in later runs too
		Stack:   w.stack, Tokens: w.tokens, Clock: w.clock.Now, Random: rand.Reader,
	})
	made.findings = append(made.findings, problems...)

	if template := object.Spec.Template; template != nil {
		if zone, err := schedule.LoadZone(template.TimeZone); err == nil && template.TimeZone != "" {
			made.zone = zone
		}
	}

	return made
}

// templates compiles the templates of a NotificationManager. What cannot be used of them is a finding.
func (w *world) templates(
	ctx context.Context, object *notificationv2beta2.NotificationManager,
) (*message.Set, []resolve.Finding) {
	options := message.Options{Clock: w.clock.Now}
	template := object.Spec.Template

	if template == nil {
		set, _ := message.Compile(nil, options)

		return set, nil
	}

	var (
		findings []resolve.Finding
		texts    []message.Source
	)

	options.Language, options.TimeZone = template.Language, template.TimeZone

	if template.Text != nil {
		texts = w.files(ctx, object, template.Text, "spec.template.text", &findings)
	}

	for i := range template.LanguagePack {
		field := fmt.Sprintf("spec.template.languagePack[%d]", i)
		options.Packs = append(options.Packs, w.files(ctx, object, &template.LanguagePack[i], field, &findings)...)
	}

	set, problems := message.Compile(texts, options)
	for _, one := range problems {
		if one.Reason == message.BadTimeZone {
			continue // The engine tells of it too.
		}

		findings = append(findings, resolve.Finding{
			Kind: resolve.KindManager, Field: "spec.template", Reason: resolve.BadTemplate, Message: one.Error(),
		})
	}

	return set, findings
}

// files are the texts of a ConfigMap: the one with the key, or all.
func (w *world) files(
	ctx context.Context, object *notificationv2beta2.NotificationManager,
	one *notificationv2beta2.ConfigmapKeySelector, field string, findings *[]resolve.Finding,
) []message.Source {
	key := w.mapKey(object, one)
	report := func(reason resolve.Reason, text string) {
		*findings = append(*findings, resolve.Finding{
			Kind: resolve.KindManager, Field: field, Reason: reason,
			Message: "names ConfigMap " + key.String() + ", " + text,
		})
	}

	found, err := w.maps.get(ctx, key)

	switch {
	case err != nil && lookupError(err) == resolve.ErrNotFound: //nolint:errorlint // it is that very error
		report(resolve.RefNotFound, "which does not exist; create it, or name another")

		return nil
	case err != nil:
		report(resolve.RefNotRead, "which could not be read; this is tried again")

		return nil
	}

	return filesOf(found, one.Key, func() {
		report(resolve.RefKeyNotFound, fmt.Sprintf("which has no key %q; add it, or name another", one.Key))
	})
}

func filesOf(found *corev1.ConfigMap, key string, missing func()) []message.Source {
	keys := slices.Sorted(maps.Keys(found.Data))

	if key != "" {
		if _, has := found.Data[key]; !has {
			missing()

			return nil
		}

		keys = []string{key}
	}

	made := make([]message.Source, 0, len(keys))
	for _, name := range keys {
		made = append(made, message.Source{
			Name: found.Namespace + "/" + found.Name + " " + name, Text: found.Data[name],
		})
	}

	return made
}

// everybody gives all Receivers as the first platform sees them.
func (w *world) everybody(ctx context.Context, on *platform) (*people, error) {
	all, err := list(ctx, w.reader, &notificationv2beta2.ReceiverList{})
	if err != nil {
		return nil, err
	}

	w.mutex.Lock()
	defer w.mutex.Unlock()

	var mark uint64
	for i := range all.Items {
		mark += w.printOne(&all.Items[i])
	}

	if w.people != nil && w.people.mark == mark {
		return w.people, nil
	}

	made := &people{
		mark: mark, items: byAge(pointers(all.Items)), older: map[string]int{},
		table: routing.NewTable(routing.Config{}),
	}
	tenants := map[string]int{}

	for _, one := range made.items {
		receiver, _ := routing.ReceiverOf(one, on.ownership)
		made.table.PutReceiver(receiver)

		if receiver.Owner.Kind == selector.Tenant {
			made.older[one.Name] = tenants[receiver.Owner.Tenant]
			tenants[receiver.Owner.Tenant]++
		}
	}

	w.people = made

	return made, nil
}

// elders are how many Receivers of the same tenant are older, for those policies that limit them; where there is none,
// nobody counts.
func (w *world) elders(ctx context.Context, on *platform, name string) (int, error) {
	if !on.limited {
		return 0, nil
	}

	everybody, err := w.everybody(ctx, on)
	if err != nil {
		return 0, err
	}

	return everybody.older[name], nil
}

// route tells whom a Router chooses, and which names of its nobody has.
func (p *people) route(router *routing.Router) (chosen, unknown []string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()

	p.table.PutRouter(router)
	defer p.table.DeleteRouter(router.Name)

	return p.table.Chosen(router.Name), p.table.Unknown(router.Name)
}

// receiver resolves a Receiver, and remembers what policies say of it.
func (p *platform) receiver(object *notificationv2beta2.Receiver, older int) resolve.Result {
	result := p.resolve.Receiver(object, older)

	var found []resolve.Finding

	for _, one := range result.Findings {
		if one.Policy != "" {
			found = append(found, one)
		}
	}

	p.mutex.Lock()
	defer p.mutex.Unlock()

	p.refused[object.Name] = refused{versionOf(object, older), found}

	return result
}

// versionOf tells states of a Receiver apart.
func versionOf(object *notificationv2beta2.Receiver, older int) string {
	return fmt.Sprint(object.UID, object.Generation, object.Labels, older)
}

// refusals are what policies say of a Receiver.
func (p *platform) refusals(object *notificationv2beta2.Receiver, older int) []resolve.Finding {
	p.mutex.Lock()
	known := p.refused[object.Name]
	p.mutex.Unlock()

	if known.version == versionOf(object, older) {
		return known.findings
	}

	p.receiver(object, older)

	p.mutex.Lock()
	defer p.mutex.Unlock()

	return p.refused[object.Name].findings
}

// choose is the platform that an object with these labels is for; where none selects it, the first.
func choose(platforms []*platform, owns func(*platform) selector.Owner) (*platform, selector.Owner) {
	for _, one := range platforms {
		if owner := owns(one); owner.Kind != selector.Ignored {
			return one, owner
		}
	}

	if len(platforms) == 0 {
		return nil, selector.Owner{}
	}

	return platforms[0], selector.Owner{}
}
