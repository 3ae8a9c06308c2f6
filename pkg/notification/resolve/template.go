package resolve

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// templates keeps the templates of the common Set that Receivers use, for most use the same few.
type templates struct {
	mu    sync.Mutex
	known map[templateKey]template
}

type templateKey struct {
	reference, fallback string
	html                bool
}

type template struct {
	made *message.Template
	err  error
}

func newTemplates() *templates {
	return &templates{known: map[templateKey]template{}}
}

func (k templateKey) find(set *message.Set) template {
	var found template

	if k.html {
		found.made, found.err = set.HTML(k.reference, k.fallback)
	} else {
		found.made, found.err = set.Text(k.reference, k.fallback)
	}

	return found
}

// get is a template of the common Set. So many are kept; what is beyond them is made for each that asks.
func (t *templates) get(set *message.Set, key templateKey) template {
	const most = 1024

	t.mu.Lock()
	defer t.mu.Unlock()

	if found, ok := t.known[key]; ok {
		return found
	}

	found := key.find(set)
	if len(t.known) < most {
		t.known[key] = found
	}

	return found
}

// reference is the template that a field names, and where it does.
type reference struct {
	of    holder
	field string
	name  string
}

// named are the places where a template is named, the most general first.
func (b *builder) named(options, own reference) []reference {
	manager := holder{kind: KindManager}

	options.of, own.of = manager, b.self
	options.field = "spec.receivers.options." + string(b.of) + "." + options.field
	own.field = b.field(own.field)

	return []reference{options, own}
}

// text is the template of the message: that of the Receiver, of the options of the channel, of the options of all, or
// the fallback, which comes with the program.
func (b *builder) text(spec *notificationv2beta2.ChannelReceiver, fallback string) *message.Template {
	return b.template(spec, b.messageTemplate(spec), fallback, false)
}

// messageTemplate are the places where the template of the message is named.
func (b *builder) messageTemplate(spec *notificationv2beta2.ChannelReceiver) []reference {
	const field = "template"

	all := reference{
		of: holder{kind: KindManager}, field: "spec.receivers.options.global.template",
		name: b.platform.options.Global.Template,
	}

	return append([]reference{all}, b.named(
		reference{field: field, name: b.platform.common[b.of].Template}, reference{field: field, name: spec.Template},
	)...)
}

// title is the template of a title: that of the Receiver, of the options of the channel, or of a mail's subject.
func (b *builder) title(
	spec *notificationv2beta2.ChannelReceiver, field, options, own string,
) *message.Template {
	return b.template(spec,
		b.named(reference{field: field, name: options}, reference{field: field, name: own}), message.Subject, false)
}

// template is the template that counts of those that are named. One that cannot be used is a finding, and in its place
// is the fallback.
func (b *builder) template(
	spec *notificationv2beta2.ChannelReceiver, named []reference, fallback string, html bool,
) *message.Template {
	counts := reference{of: b.self, field: b.field("template")}

	for _, one := range named {
		if strings.TrimSpace(one.name) != "" {
			counts = one
		}
	}

	key := templateKey{reference: counts.name, fallback: fallback, html: html}

	var found template

	if set := b.templateSet(spec.TmplText); set == b.platform.in.Templates {
		found = b.platform.templates.get(set, key)
	} else {
		found = key.find(set)
	}

	if found.err != nil {
		b.warn(counts.of, counts.field, BadTemplate,
			found.err.Error()+"; "+strconv.Quote(fallback)+" is used in its place")
	}

	return found.made
}

// templateSet are the templates that a channel sees: those of all, and over them those of its own ConfigMap.
func (b *builder) templateSet(own *notificationv2beta2.ConfigmapKeySelector) *message.Set {
	common := b.platform.in.Templates
	if own == nil {
		return common
	}

	if b.overlay != nil {
		return b.overlay
	}

	b.overlay = common

	field := b.field("tmplText")

	sources := b.sources(place{
		kind: KindConfigMap, namespace: own.Namespace, name: own.Name, field: field, optional: true,
	}, own.Key)
	if len(sources) == 0 {
		return common
	}

	set, problems := common.Overlay(sources...)
	for _, one := range problems {
		b.warn(b.self, field, BadTemplate, one.Error()+"; the template of all counts in its place")
	}

	b.overlay = set

	return set
}

// sources are the files of a ConfigMap: the one that is named, or all of them in the order of their names.
func (b *builder) sources(at place, key string) []message.Source {
	if at.name == "" {
		b.warn(b.self, at.field, Invalid, "names a ConfigMap without its name; give it")

		return nil
	}

	object, ok := read(b, b.self, at, b.looked.configMap)
	if !ok {
		return nil
	}

	keys := slices.Sorted(maps.Keys(object.Data))

	if key != "" {
		if _, has := object.Data[key]; !has {
			b.warn(b.self, at.field, RefKeyNotFound, at.in(b.platform).String()+" has no key "+strconv.Quote(key)+
				"; add it, or name another")

			return nil
		}

		keys = []string{key}
	}

	ref := at.in(b.platform)
	made := make([]message.Source, 0, len(keys))

	for _, name := range keys {
		made = append(made, message.Source{Name: ref.Namespace + "/" + ref.Name + " " + name, Text: object.Data[name]})
	}

	return made
}

// kind is the kind of a message: that of the Receiver, of the options, or the first of those that there are. One that
// there is not is a finding, and the next counts.
func (b *builder) kind(field, options, own string, kinds ...string) string {
	list := strings.Join(kinds, " or ")

	for _, one := range b.named(reference{field: field, name: options}, reference{field: field, name: own}) {
		if one.name != "" && !slices.Contains(kinds, one.name) {
			b.warn(one.of, one.field, Invalid, "is neither "+list+"; correct it: until then it does not count")
		}
	}

	for _, name := range []string{own, options} {
		if slices.Contains(kinds, name) {
			return name
		}
	}

	return kinds[0]
}

// hidden is a text that may be a credential: a URL, say.
func hidden(text *string) secret.String {
	if text == nil {
		return secret.String{}
	}

	return secret.New(strings.TrimSpace(*text))
}
