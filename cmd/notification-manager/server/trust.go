package server

import (
	"errors"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/resolve"
)

// errReference is a posted object of nobody knows whom that refers to something.
var errReference = errors.New("receiver: a Secret or a ConfigMap is referred to by an object that is not stored like " +
	"this, and it is not known who asks; give the values themselves, or store the object first, or have spec.auth of " +
	"the NotificationManager say who may ask")

// doubted are the posted objects that are not stored just so. What is stored may be tried by anybody: an alert would
// do the same. What is not reaches no further than a tenant's, and may be tried if it refers to no Secret and no
// ConfigMap.
func (s *Server) doubted(asked *posted) ([]resolve.Reference, error) {
	var doubted []resolve.Reference

	if !s.storedReceiver(asked.Receiver) {
		if refers(asked.Receiver.Spec) {
			return nil, errReference
		}

		doubted = append(doubted, resolve.Reference{Kind: resolve.KindReceiver, Name: asked.Receiver.Name})
	}

	if asked.Config != nil && !s.storedConfig(asked.Config) {
		if refers(asked.Config.Spec) {
			return nil, errReference
		}

		doubted = append(doubted, resolve.Reference{Kind: resolve.KindConfig, Name: asked.Config.Name})
	}

	return doubted, nil
}

// storedReceiver tells whether a Receiver is stored just so.
func (s *Server) storedReceiver(posted *notificationv2beta2.Receiver) bool {
	stored := s.options.Objects.Receiver(posted.Name)

	return stored != nil && equality.Semantic.DeepEqual(stored.Spec, posted.Spec) &&
		equality.Semantic.DeepEqual(stored.Labels, posted.Labels)
}

// storedConfig tells whether a Config is stored just so.
func (s *Server) storedConfig(posted *notificationv2beta2.Config) bool {
	stored := s.options.Objects.Config(posted.Name)

	return stored != nil && equality.Semantic.DeepEqual(stored.Spec, posted.Spec) &&
		equality.Semantic.DeepEqual(stored.Labels, posted.Labels)
}

// refers tells whether something has a reference to a Secret or a ConfigMap, wherever in it.
func refers(spec any) bool {
	found := false

	visit(reflect.ValueOf(spec), func(value reflect.Value) {
		switch one := value.Interface().(type) {
		case notificationv2beta2.Credential:
			found = found || one.Ref() != nil
		case notificationv2beta2.ConfigmapKeySelector:
			found = true
		}
	})

	return found
}

// visit shows each struct within a value, that of the value first.
func visit(value reflect.Value, show func(reflect.Value)) {
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !value.IsNil() {
			visit(value.Elem(), show)
		}
	case reflect.Slice, reflect.Array:
		for i := range value.Len() {
			visit(value.Index(i), show)
		}
	case reflect.Struct:
		show(value)

		for i := range value.NumField() {
			if value.Type().Field(i).IsExported() {
				visit(value.Field(i), show)
			}
		}
	default: // nothing else holds a struct here
	}
}

// without is a spec without the channels that another one has.
func without(
	spec notificationv2beta2.ConfigSpec, other *notificationv2beta2.ConfigSpec,
) notificationv2beta2.ConfigSpec {
	left, taken := reflect.ValueOf(&spec).Elem(), reflect.ValueOf(other).Elem()

	for i := range left.NumField() {
		if field := left.Field(i); field.Kind() == reflect.Pointer && !taken.Field(i).IsNil() {
			field.SetZero()
		}
	}

	return spec
}

// fieldsSet are the names, as in JSON, of the fields of a struct that are pointers to structs, and not nil: the
// channels of a spec.
func fieldsSet[S any](spec *S) []string {
	value := reflect.ValueOf(spec).Elem()

	var names []string

	for i := range value.NumField() {
		field := value.Field(i)
		if field.Kind() != reflect.Pointer || field.Type().Elem().Kind() != reflect.Struct || field.IsNil() {
			continue
		}

		name, _, _ := strings.Cut(value.Type().Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}

	return names
}
