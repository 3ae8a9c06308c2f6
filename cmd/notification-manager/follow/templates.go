package follow

import (
	"errors"
	"maps"
	"slices"
	"time"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
)

// templating is the templates of all receivers, and what they were made of.
type templating struct {
	set      *message.Set
	findings []resolve.Finding
	uses     []resolve.Reference
}

// Templates makes the templates that a NotificationManager names. Where one cannot be had, that of the Set before
// stays, and else the one that comes with the program.
func Templates(
	spec *notificationv2beta2.NotificationManagerSpec, namespace string, sources resolve.Sources,
	previous *message.Set, clock func() time.Time,
) (*message.Set, []resolve.Finding) {
	made := templatesOf(spec, namespace, sources, previous, clock)

	return made.set, made.findings
}

func templatesOf(
	spec *notificationv2beta2.NotificationManagerSpec, namespace string, sources resolve.Sources,
	previous *message.Set, clock func() time.Time,
) templating {
	if spec.DefaultSecretNamespace != "" {
		namespace = spec.DefaultSecretNamespace
	}

	gather := gatherer{namespace: namespace, sources: sources}
	options := message.Options{Previous: previous, Clock: clock}

	var texts []message.Source

	if from := spec.Template; from != nil {
		options.Language, options.TimeZone = from.Language, from.TimeZone

		if from.Text != nil {
			texts = gather.files("spec.template.text", from.Text)
		}

		for i := range from.LanguagePack {
			options.Packs = append(options.Packs, gather.files("spec.template.languagePack", &from.LanguagePack[i])...)
		}
	}

	set, findings := message.Compile(texts, options)
	for _, one := range findings {
		gather.find("spec.template", resolve.BadTemplate, one.Error())
	}

	return templating{set: set, findings: gather.findings, uses: gather.uses}
}

// gatherer reads files out of ConfigMaps.
type gatherer struct {
	namespace string
	sources   resolve.Sources
	findings  []resolve.Finding
	uses      []resolve.Reference
}

func (g *gatherer) find(field string, reason resolve.Reason, message string) {
	g.findings = append(g.findings, resolve.Finding{
		Kind: resolve.KindManager, Field: field, Reason: reason, Message: message,
	})
}

// files are the files of a ConfigMap: the one that is named, or all in the order of their names.
func (g *gatherer) files(field string, from *notificationv2beta2.ConfigmapKeySelector) []message.Source {
	ref := resolve.Reference{Kind: resolve.KindConfigMap, Namespace: from.Namespace, Name: from.Name}
	if ref.Namespace == "" {
		ref.Namespace = g.namespace
	}

	g.uses = append(g.uses, ref)

	object, err := g.sources.ConfigMap(ref.Namespace, ref.Name)
	if err != nil {
		g.find(field, reasonOf(err), "names "+ref.String()+", but "+textOf(err))

		return nil
	}

	if from.Key == "" {
		var files []message.Source
		for _, key := range slices.Sorted(maps.Keys(object.Data)) {
			files = append(files, message.Source{Name: ref.Name + "/" + key, Text: object.Data[key]})
		}

		return files
	}

	text, present := object.Data[from.Key]
	if !present {
		g.find(field, resolve.RefKeyNotFound, "names the key "+from.Key+" of "+ref.String()+
			", which has no such key; add it, or name another")

		return nil
	}

	return []message.Source{{Name: ref.Name + "/" + from.Key, Text: text}}
}

func reasonOf(err error) resolve.Reason {
	switch {
	case errors.Is(err, resolve.ErrNotFound):
		return resolve.RefNotFound
	case errors.Is(err, resolve.ErrForbidden):
		return resolve.RefForbidden
	default:
		return resolve.RefNotRead
	}
}

func textOf(err error) string {
	switch {
	case errors.Is(err, resolve.ErrNotFound):
		return "it does not exist; create it, or name another"
	case errors.Is(err, resolve.ErrForbidden):
		return "the service may not read it; allow it by a Role in that namespace"
	default:
		return "it has not been read yet; this passes by itself, unless the API server cannot be reached"
	}
}
