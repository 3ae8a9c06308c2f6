package stores

import (
	"bytes"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// typedClient makes a client for one kind in its type.
func (s *Stores) typedClient(kind schema.GroupVersionKind) (rest.Interface, error) {
	if clientgoscheme.Scheme.Recognizes(kind) {
		made, err := apiutil.RESTClientForGVK(kind, false, false, s.options.Config,
			serializer.NewCodecFactory(s.options.Scheme), s.options.HTTPClient)
		if err != nil {
			return nil, fmt.Errorf("make a client for %s: %w", kind, err)
		}

		return made, nil
	}

	group := kind.GroupVersion()
	config := rest.CopyConfig(s.options.Config)
	config.GroupVersion, config.APIPath = &group, "/apis"
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	config.NegotiatedSerializer = s.jsonOf(kind)

	made, err := rest.RESTClientForConfigAndClient(config, s.options.HTTPClient)
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", kind, err)
	}

	return made, nil
}

// jsonOf reads a custom kind, which comes as JSON. To find out what it reads, a serializer parses everything once
// more, which for ten thousand objects is a good part of a start. Here it is known.
func (s *Stores) jsonOf(kind schema.GroupVersionKind) runtime.NegotiatedSerializer {
	codec := json.NewSerializerWithOptions(newExpectation(kind), s.options.Scheme, s.options.Scheme,
		json.SerializerOptions{})

	return serializer.NegotiatedSerializerWrapper(runtime.SerializerInfo{
		MediaType: runtime.ContentTypeJSON, MediaTypeType: "application", MediaTypeSubType: "json",
		EncodesAsText: true, Serializer: codec,
		StreamSerializer: &runtime.StreamSerializerInfo{
			EncodesAsText: true, Serializer: codec, Framer: json.Framer,
		},
	})
}

// expectation recognizes an object of the kind that is expected, and an event about one, by how they begin. All else
// is parsed.
type expectation struct {
	json.MetaFactory

	kind   schema.GroupVersionKind
	object []byte
	event  []byte
}

func newExpectation(kind schema.GroupVersionKind) expectation {
	return expectation{
		MetaFactory: json.DefaultMetaFactory, kind: kind, event: []byte(`{"type":"`),
		object: fmt.Appendf(nil, `{"apiVersion":%q,"kind":%q,`, kind.GroupVersion(), kind.Kind),
	}
}

// Interpret implements json.MetaFactory.
func (e expectation) Interpret(data []byte) (*schema.GroupVersionKind, error) {
	switch {
	case bytes.HasPrefix(data, e.object):
		kind := e.kind

		return &kind, nil
	case bytes.HasPrefix(data, e.event): // which has no kind of its own
		return &schema.GroupVersionKind{}, nil
	}

	return e.MetaFactory.Interpret(data) //nolint:wrapcheck // a wrapper hands on what it gets
}
