package follow

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// View is what holds for all receivers. Nothing changes one once it is made.
type View struct {
	// Manager is the NotificationManager.
	Manager *notificationv2beta2.NotificationManager
	// Cluster is the name that alerts get that name none.
	Cluster string
	// Input is what Receivers are resolved with, and Platform is it made ready.
	Input    resolve.Input
	Platform *resolve.Platform
	// Ownership says whose an object is.
	Ownership selector.Ownership
	// Auth is whom the service answers; nil is everybody.
	Auth *Auth
	// Watchdog is what has to come again and again; nil where nothing has to.
	Watchdog *Watchdog
	// Findings are what is wrong with what the View is made of.
	Findings []resolve.Finding
}

// Auth is whom the service answers.
type Auth struct {
	// All says that posting alerts is guarded too.
	All bool
	// Token lets in whoever sends it; empty where there is none, or it cannot be read.
	Token secret.String
	// Review lets in users of the cluster; nil where it does not.
	Review *notificationv2beta2.TokenReviewAuth
}

// Watchdog is what has to come again and again.
type Watchdog struct {
	// Matcher selects the alert, and Timeout is how long it may stay away.
	Matcher selector.Selector
	Timeout time.Duration
}

// The labels of the alert that tells that alerts are missing.
const (
	// MissingAlert is its name.
	MissingAlert = "AlertsMissing"
	// MissingType is its alerttype.
	MissingType = "watchdog"
	// MissingRouter is the name of the router that leads it to those who are told of it. No object has such a name.
	MissingRouter = "@watchdog"
)

const (
	watchedAlert   = "Watchdog"
	watchdogLeast  = time.Second
	defaultTimeout = 10 * time.Minute
)

// watchdogOf reads the settings of the watchdog.
func (r *reader) watchdog(set *notificationv2beta2.Watchdog) *Watchdog {
	if set == nil {
		return nil
	}

	timeout := r.duration("spec.watchdog.timeout", set.Timeout, defaultTimeout, false)
	made := &Watchdog{Timeout: max(timeout, watchdogLeast)}
	wanted := set.Matcher

	if wanted == nil {
		wanted = &notificationv2beta2.LabelSelector{MatchLabels: map[string]string{"alertname": watchedAlert}}
	}

	matcher, problems := selector.Compile(field.NewPath("spec", "watchdog", "matcher"), wanted)
	if len(problems) > 0 {
		for _, one := range problems {
			r.find(one.Field, one.ErrorBody()+"; nothing is watched for until it is mended")
		}

		return nil
	}

	made.Matcher = matcher

	return made
}

// auth reads who is answered, and what it refers to. What cannot be read lets nobody in.
func (g *gatherer) auth(set *notificationv2beta2.ManagerAuth) *Auth {
	if set == nil {
		return nil
	}

	made := &Auth{All: set.Endpoints == notificationv2beta2.AuthAll, Review: set.TokenReview}

	ref := set.BearerToken.Ref()

	switch {
	case ref != nil:
		made.Token = g.secret("spec.auth.bearerToken", *ref)
	case set.BearerToken != nil:
		made.Token = secret.New(set.BearerToken.Value)
	}

	return made
}

// secret reads a key of a Secret.
func (g *gatherer) secret(field string, of notificationv2beta2.SecretKeySelector) secret.String {
	ref := resolve.Reference{Kind: resolve.KindSecret, Namespace: of.Namespace, Name: of.Name}
	if ref.Namespace == "" {
		ref.Namespace = g.namespace
	}

	g.uses = append(g.uses, ref)

	object, err := g.sources.Secret(ref.Namespace, ref.Name)
	if err != nil {
		g.find(field, reasonOf(err), "names "+ref.String()+", but "+textOf(err))

		return secret.String{}
	}

	found, present := object.Data[of.Key]
	if !present || found.Empty() {
		g.find(field, resolve.RefKeyNotFound, "names the key "+of.Key+" of "+ref.String()+
			", which has no such key; add it, or name another")
	}

	return found
}

// build makes the view of a NotificationManager.
func (f *Follower) build(manager *notificationv2beta2.NotificationManager, previous *message.Set) *View {
	lookups := f.sources.lookups()
	namespace := f.options.Namespace

	f.templates = templatesOf(&manager.Spec, namespace, lookups, previous, f.options.Clock)

	if manager.Spec.DefaultSecretNamespace != "" {
		namespace = manager.Spec.DefaultSecretNamespace
	}

	gather := gatherer{namespace: namespace, sources: lookups}
	read := reader{}
	view := &View{
		Manager: manager, Cluster: f.clusterOf(manager), Ownership: selector.OwnershipOf(&manager.Spec.Receivers),
		Auth: gather.auth(manager.Spec.Auth), Watchdog: read.watchdog(manager.Spec.Watchdog),
		Input: resolve.Input{
			Manager: &manager.Spec, Namespace: f.options.Namespace, Configs: f.Configs(),
			Policies:  list[notificationv2beta2.NotificationPolicy](f.watches, KindPolicy),
			Templates: f.templates.set, Sources: lookups, Deny: f.options.Deny,
			Stack: f.options.Stack, Tokens: f.options.Tokens, Clock: f.options.Clock, Random: f.options.Random,
			Mails: f.options.Mails,
		},
	}

	platform, findings := resolve.New(view.Input)
	view.Platform = platform
	view.Findings = append(view.Findings, f.templates.findings...)
	view.Findings = append(view.Findings, gather.findings...)
	view.Findings = append(view.Findings, read.findings...)
	view.Findings = append(view.Findings, findings...)
	f.viewUses = slices.Concat(gather.uses, f.templates.uses)

	return view
}

// clusterOf is the cluster's name: what the NotificationManager says, or what was found.
func (f *Follower) clusterOf(manager *notificationv2beta2.NotificationManager) string {
	options := manager.Spec.Receivers.Options
	if options != nil && options.Global != nil && options.Global.Cluster != "" {
		return options.Global.Cluster
	}

	return f.cluster
}
