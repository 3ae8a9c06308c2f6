package resolve

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
)

// Reason is the kind of a Finding, as a condition names it.
type Reason string

// What can be found.
const (
	// Invalid is a field that cannot be used, or is missing.
	Invalid Reason = "Invalid"
	// NotSelected is an object that the NotificationManager selects for nobody.
	NotSelected Reason = "NotSelected"
	// NotSupported is a channel that this version does not have.
	NotSupported Reason = "NotSupported"
	// ConfigNotFound is a channel for which there are no credentials.
	ConfigNotFound Reason = "ConfigNotFound"
	// RefNotFound is a Secret or a ConfigMap that does not exist, or that the tenant may not know of.
	RefNotFound Reason = "RefNotFound"
	// RefKeyNotFound is one that has no such key.
	RefKeyNotFound Reason = "RefKeyNotFound"
	// RefForbidden is one that the process may not read.
	RefForbidden Reason = "RefForbidden"
	// RefNotRead is one that the process has not read yet.
	RefNotRead Reason = "RefNotRead"
	// RefNotAllowed is one that the tenant may not name.
	RefNotAllowed Reason = "RefNotAllowed"
	// PolicyDenied is what a NotificationPolicy refuses.
	PolicyDenied Reason = "PolicyDenied"
	// EgressDenied is an address that messages may not go to.
	EgressDenied Reason = "EgressDenied"
	// BadTemplate is a template in whose place another one is used.
	BadTemplate Reason = "BadTemplate"
)

// Names of kinds that findings and references are about.
const (
	KindReceiver  = "Receiver"
	KindConfig    = "Config"
	KindManager   = "NotificationManager"
	KindPolicy    = "NotificationPolicy"
	KindSecret    = "Secret"
	KindConfigMap = "ConfigMap"
	// KindConfigsOf is a reference to all Configs of the tenant that is its name, or to those of the platform where it
	// has none.
	KindConfigsOf = "ConfigsOf"
)

// Finding is something wrong with an object. It holds no secret.
type Finding struct {
	// Kind and Name are the object with the field; a NotificationManager is without a name.
	Kind, Name string
	// Field is the path of the field to change.
	Field string
	// Channel is the channel of the Receiver that it is about; empty where it is about all of it.
	Channel channel.Type
	// Reason is the kind of the finding, Message what is wrong and what to do.
	Reason  Reason
	Message string
	// Policy is the NotificationPolicy that refuses, or would refuse, what the field says.
	Policy string
	// DryRun says that the policy is on trial: it refuses nothing.
	DryRun bool
	// Breaks says that targets cannot be used until it is mended. What does not break is still to be mended, but the
	// message goes out.
	Breaks bool
}

// String names the object, unless it is the Receiver itself, and the field, and says what is wrong.
func (f Finding) String() string {
	var text strings.Builder

	if f.Kind != KindReceiver {
		text.WriteString(strings.TrimSpace(f.Kind+" "+f.Name) + ": ")
	}

	if f.Field != "" {
		text.WriteString(f.Field + ": ")
	}

	text.WriteString(f.Message)

	return text.String()
}

// BrokenError is why a target cannot be used.
type BrokenError struct {
	// Findings are all that break it.
	Findings []Finding
}

// Error tells all of them.
func (b *BrokenError) Error() string {
	texts := make([]string, 0, len(b.Findings))
	for _, one := range b.Findings {
		texts = append(texts, one.String())
	}

	return strings.Join(texts, "; ")
}

// findings gathers.
type findings struct {
	list []Finding
}

func (f *findings) add(one Finding) {
	f.list = append(f.list, one)
}

// sorted are the findings in an order that does not depend on that of their finding, each once.
func (f *findings) sorted() []Finding {
	slices.SortStableFunc(f.list, func(a, b Finding) int {
		return cmp.Or(
			strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name), strings.Compare(a.Field, b.Field),
			strings.Compare(string(a.Reason), string(b.Reason)), strings.Compare(a.Policy, b.Policy),
			strings.Compare(a.Message, b.Message), strings.Compare(string(a.Channel), string(b.Channel)),
		)
	})

	return slices.Compact(f.list)
}

// onManager is a finding about the NotificationManager.
func onManager(field, text string) Finding {
	return Finding{Kind: KindManager, Field: field, Reason: Invalid, Message: text}
}

// onPolicy is a finding about a policy.
func onPolicy(name, field, text string) Finding {
	return Finding{Kind: KindPolicy, Name: name, Field: field, Reason: Invalid, Message: text}
}
