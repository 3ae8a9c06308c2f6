package v2beta2

// SecretKeySelector names a key of a Secret.
type SecretKeySelector struct {
	// namespace of the Secret. Empty: the namespace that spec.defaultSecretNamespace of the NotificationManager names,
	// and where that is empty too, the namespace it runs in. A Secret of a tenant's object is read where the tenant may
	// read it, and nowhere else.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// name of the Secret.
	// +required
	Name string `json:"name"`

	// key in the Secret.
	// +required
	Key string `json:"key"`
}

// ConfigmapKeySelector names a ConfigMap, or one key of it.
type ConfigmapKeySelector struct {
	// namespace of the ConfigMap. Empty: as for Secrets.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// name of the ConfigMap.
	// +required
	Name string `json:"name"`

	// key in the ConfigMap. Empty: all keys, each a file.
	// +optional
	Key string `json:"key,omitempty"`
}

// Credential is a secret text, in one of three forms: value or valueFrom, which are those of v2beta2, or namespace,
// name and key, which are that of v2beta1. All three are read in both versions. A reference with an empty key is
// refused: it is what a client that knows v2beta1 alone makes of the form of v2beta2 when it writes an object back, and
// would lose the credential.
//
// +kubebuilder:validation:XValidation:rule="[has(self.value) && size(self.value) > 0, has(self.valueFrom), has(self.key) && size(self.key) > 0].filter(given, given).size() == 1",message="a credential has exactly one of value, valueFrom, and a reference with name and key, and none of them is empty"
type Credential struct {
	// value is the secret text itself. Whoever may read the object reads it; valueFrom is safer.
	// +optional
	Value string `json:"value,omitempty"`

	// valueFrom says where the secret text is.
	// +optional
	ValueFrom *ValueSource `json:"valueFrom,omitempty"`

	// namespace of the Secret, in the form of v2beta1. Empty: as in valueFrom.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// name of the Secret, in the form of v2beta1.
	// +optional
	Name string `json:"name,omitempty"`

	// key in the Secret, in the form of v2beta1.
	// +optional
	Key string `json:"key,omitempty"`
}

// ValueSource says where a secret text is.
type ValueSource struct {
	// secretKeyRef names a key of a Secret.
	// +required
	SecretKeyRef *SecretKeySelector `json:"secretKeyRef,omitempty"`
}

// Ref gives the one reference of either form, and nil where there is none.
func (c *Credential) Ref() *SecretKeySelector {
	switch {
	case c == nil:
		return nil
	case c.ValueFrom != nil && c.ValueFrom.SecretKeyRef != nil:
		return c.ValueFrom.SecretKeyRef
	case c.Key != "" || c.Name != "":
		return &SecretKeySelector{Namespace: c.Namespace, Name: c.Name, Key: c.Key}
	default:
		return nil
	}
}

// LabelSelector selects by labels. All that it says has to hold; one that says nothing selects everything.
type LabelSelector struct {
	// matchLabels are labels with the values that they must have.
	// +optional
	MatchLabels map[string]string `json:"matchLabels,omitempty"`

	// matchExpressions are further conditions.
	// +optional
	// +listType=atomic
	MatchExpressions []LabelSelectorRequirement `json:"matchExpressions,omitempty"`
}

// LabelSelectorRequirement is a condition for one label.
type LabelSelectorRequirement struct {
	// key is the name of the label.
	// +required
	Key string `json:"key"`

	// operator is In, NotIn, Exists, DoesNotExist, or Match. Another one is reported in the condition Accepted.
	// +required
	Operator LabelSelectorOperator `json:"operator"`

	// values are what In and NotIn compare with: one or more. Exists and DoesNotExist take none.
	// +optional
	// +listType=atomic
	Values []string `json:"values,omitempty"`

	// regexValue is the regular expression of Match. It is searched for anywhere in the value, so an exact match needs
	// ^ and $. A missing label counts as an empty value, and an empty expression is found in every value.
	// +optional
	RegexValue string `json:"regexValue,omitempty"`
}

// LabelSelectorOperator says how a label is compared.
type LabelSelectorOperator string

// The operators.
const (
	LabelSelectorOpIn           LabelSelectorOperator = "In"
	LabelSelectorOpNotIn        LabelSelectorOperator = "NotIn"
	LabelSelectorOpExists       LabelSelectorOperator = "Exists"
	LabelSelectorOpDoesNotExist LabelSelectorOperator = "DoesNotExist"
	LabelSelectorOpMatch        LabelSelectorOperator = "Match"
)

// HTTPClientConfig says how an HTTP server is spoken to.
type HTTPClientConfig struct {
	// basicAuth is a user name and a password to send.
	// +optional
	BasicAuth *BasicAuth `json:"basicAuth,omitempty"`

	// bearerToken is a token to send.
	// +optional
	BearerToken *Credential `json:"bearerToken,omitempty"`

	// proxyUrl is the address of a proxy to go through. It is under the same rules of egress as any other address.
	// +optional
	ProxyURL string `json:"proxyUrl,omitempty"` //nolint:tagliatelle // a contract

	// tlsConfig says how TLS is spoken.
	// +optional
	TLSConfig *TLSConfig `json:"tlsConfig,omitempty"`
}

// BasicAuth is a user name and a password.
type BasicAuth struct {
	// username to send.
	// +required
	Username string `json:"username"`

	// password to send.
	// +optional
	Password *Credential `json:"password,omitempty"`
}

// TLSConfig says how TLS is spoken.
type TLSConfig struct {
	// rootCA are the certificates, in PEM, of the authorities to trust. Absent: those that the system trusts.
	// +optional
	RootCA *Credential `json:"rootCA,omitempty"` //nolint:tagliatelle // a contract

	// clientCertificate is what to show a server that asks for one.
	// +optional
	ClientCertificate *ClientCertificate `json:"clientCertificate,omitempty"`

	// serverName is the name that the certificate of the server must have. Empty: that of the address.
	// +optional
	ServerName string `json:"serverName,omitempty"`

	// insecureSkipVerify takes any certificate. Whoever is in between then reads credentials and messages.
	// +optional
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
}

// ClientCertificate is a certificate with its key, both in PEM. One without the other is reported in the condition
// Accepted.
type ClientCertificate struct {
	// cert is the certificate.
	// +optional
	Cert *Credential `json:"cert,omitempty"`

	// key is its private key.
	// +optional
	Key *Credential `json:"key,omitempty"`
}

// RetryPolicy says how often, and how long, a message is tried that could not be delivered. The time between two tries
// doubles from the least to the greatest, and is spread at random.
type RetryPolicy struct {
	// maxAge is how long a message is tried, from 1m to 168h. It then goes to the dead letters. Empty: 24h.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m') && duration(self) <= duration('168h')",message="must be a duration from 1m to 168h"
	MaxAge Duration `json:"maxAge,omitempty"`

	// minBackoff is the time before the second try, from 100ms to 1h. Empty: 1s.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('1h')",message="must be a duration from 100ms to 1h"
	MinBackoff Duration `json:"minBackoff,omitempty"`

	// maxBackoff is the longest time between two tries, from 1s to 6h. Empty: 1m.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('6h')",message="must be a duration from 1s to 6h"
	MaxBackoff Duration `json:"maxBackoff,omitempty"`
}

// RateLimit is a greatest number of messages in a time. What is above it waits.
type RateLimit struct {
	// messages is the greatest number, from 1 to 100000.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	// +kubebuilder:validation:XValidation:rule="self - self == 0",message="must be a whole number"
	Messages int32 `json:"messages"`

	// per is the time, from 1s to 24h. Empty: 1m.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="must be a duration from 1s to 24h"
	Per Duration `json:"per,omitempty"`
}

// AccessMode says whether something is let pass.
type AccessMode string

// The modes of access.
const (
	AccessAllow AccessMode = "Allow"
	AccessDeny  AccessMode = "Deny"
)
