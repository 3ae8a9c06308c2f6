package resolve

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
	"github.com/ks-core/ks-controller-manager/pkg/notification/selector"
)

// holder is an object that names others: the Receiver, or the Config it uses.
type holder struct {
	kind, name string
	owner      selector.Owner
	// root is the path under which its channels are.
	root string
	// policies are those that are for it.
	policies []*policy
}

// credential gives the text of a credential that an object has in a field. That it cannot be had is a finding, and
// the text is empty then; it is empty too where there is no credential, which the channel has a word for.
func (b *builder) credential(of holder, field string, credential *notificationv2beta2.Credential) secret.String {
	if credential == nil {
		return secret.String{}
	}

	ref := credential.Ref()

	switch {
	case credential.Value != "":
		return b.value(of, field, credential.Value)
	case ref == nil:
		b.report(of, field, Invalid, "has neither a value nor a reference to a Secret; give one of them")

		return secret.String{}
	case ref.Name == "" || ref.Key == "":
		b.report(of, field, Invalid, "names a Secret without its name or without a key; give both")

		return secret.String{}
	default:
		return b.secret(of, field, *ref)
	}
}

// value takes a credential that stands in the object.
func (b *builder) value(of holder, field, text string) secret.String {
	for _, one := range of.policies {
		if one.denyValues {
			b.denied(of, one, field, "is written into the object, which allow.secrets.values of the policy refuses; "+
				"put it into a Secret and name that in valueFrom")
		}
	}

	return trimmed(text)
}

// trimmed is a text without the line break that a file it was made of ended with.
func trimmed(text string) secret.String {
	return secret.New(strings.TrimRight(text, "\r\n"))
}

func (b *builder) secret(of holder, field string, ref notificationv2beta2.SecretKeySelector) secret.String {
	at := place{kind: KindSecret, namespace: ref.Namespace, name: ref.Name, field: field}

	object, ok := read(b, of, at, b.looked.secret)
	if !ok {
		return secret.String{}
	}

	text, found := object.Data[ref.Key]
	if !found {
		b.report(of, field, RefKeyNotFound, at.in(b.platform).String()+" has no key "+strconv.Quote(ref.Key)+
			"; add it, or name another")

		return secret.String{}
	}

	made := trimmed(text.Reveal())
	if made.Empty() {
		b.report(of, field, Invalid, "names the key "+strconv.Quote(ref.Key)+" of "+at.in(b.platform).String()+
			", which is empty; fill it")
	}

	return made
}

// place is an object that a field names.
type place struct {
	kind, namespace, name string
	field                 string
	// optional says that the channel works without it.
	optional bool
}

// in is the object, in the namespace that counts where the field names none.
func (p place) in(platform *Platform) Reference {
	made := Reference{Kind: p.kind, Namespace: p.namespace, Name: p.name}
	if made.Namespace == "" {
		made.Namespace = platform.namespace
	}

	return made
}

// read looks up an object for another one that names it, where it may be named. A tenant is not told whether an
// object exists that it may not name.
func read[V any](
	b *builder, of holder, at place, get func(namespace, name string) (Object[V], error),
) (Object[V], bool) {
	ref := at.in(b.platform)
	if !b.mayName(of, at, ref) {
		return Object[V]{}, false
	}

	object, err := get(ref.Namespace, ref.Name)

	switch {
	case err == nil && b.owns(of, ref, object.Labels):
		return object, true
	case err == nil && b.warnsOnly():
		b.warn(of, at.field, RefNotAllowed, "names "+ref.String()+", which has no label "+b.label(of)+
			"; give it the label: tenantSecretPolicy lets it pass for now")

		return object, true
	case err == nil, of.owner.Kind == selector.Tenant && errors.Is(err, ErrNotFound):
		text := "names " + ref.String() + ", which does not exist"
		if of.owner.Kind == selector.Tenant && ref.Namespace == b.platform.namespace {
			text += " with the label " + b.label(of)
		}

		b.say(of, at, RefNotFound, text+"; create it, or name another")
	default:
		b.say(of, at, lookupReason(err), "names "+ref.String()+", but "+lookupText(err))
	}

	return Object[V]{}, false
}

// say is a finding that breaks the channel, unless it works without the object.
func (b *builder) say(of holder, at place, reason Reason, text string) {
	if at.optional {
		b.warn(of, at.field, reason, text)
	} else {
		b.report(of, at.field, reason, text)
	}
}

func lookupReason(err error) Reason {
	switch {
	case errors.Is(err, ErrNotFound):
		return RefNotFound
	case errors.Is(err, ErrForbidden):
		return RefForbidden
	default:
		return RefNotRead
	}
}

// lookupText says what became of a lookup, without the words of an error that somebody else made.
func lookupText(err error) string {
	switch {
	case errors.Is(err, ErrNotFound):
		return "it does not exist; create it, or name another"
	case errors.Is(err, ErrForbidden):
		return "the service may not read it; allow it by a Role in that namespace"
	default:
		return "it has not been read yet; this passes by itself, unless the API server cannot be reached"
	}
}

// label is the label by which an object is a tenant's.
func (b *builder) label(of holder) string {
	return b.platform.tenantKey() + "=" + of.owner.Tenant
}

// owns tells whether a tenant may use an object by its labels: in the namespace of all tenants it has to be its own.
// What else may be named was decided by its namespace.
func (b *builder) owns(of holder, ref Reference, set map[string]string) bool {
	return of.owner.Kind != selector.Tenant || ref.Namespace != b.platform.namespace ||
		set[b.platform.tenantKey()] == of.owner.Tenant
}

// warnsOnly tells whether a tenant's object may name what is not the tenant's, with a warning.
func (b *builder) warnsOnly() bool {
	set := b.platform.in.Manager.Delivery

	return set != nil && set.TenantSecretPolicy == notificationv2beta2.TenantSecretWarn
}

// mayName tells whether an object may name another one in its namespace: those of the platform may name all, those
// of a tenant the ones in the namespace that is for all tenants, or in those that the policies name.
func (b *builder) mayName(of holder, at place, ref Reference) bool {
	if of.owner.Kind != selector.Tenant {
		return true
	}

	allowed, decided := true, false

	for _, one := range of.policies {
		if len(one.namespaces) == 0 {
			continue
		}

		decided = decided || !one.dryRun

		if slices.Contains(one.namespaces, ref.Namespace) {
			continue
		}

		allowed = allowed && one.dryRun

		b.refused(of, one, at, "names "+ref.String()+
			", whose namespace is not among allow.secrets.namespaces of the policy; name one in another namespace")
	}

	if decided || ref.Namespace == b.platform.namespace {
		return allowed
	}

	text := "names " + ref.String() + ": objects of tenants may name those in the namespace " + b.platform.namespace +
		" with the label " + b.label(of) + "; put it there, or allow the namespace by a NotificationPolicy"

	if b.warnsOnly() {
		b.warn(of, at.field, RefNotAllowed, text+"; tenantSecretPolicy lets it pass for now")

		return true
	}

	b.say(of, at, RefNotAllowed, text)

	return false
}
