package v2beta2

// Delivery says what becomes of what is taken, until it is delivered.
type Delivery struct {
	// ackPolicy says when alerts are acknowledged: Durable (also when empty) once they are on disk, Memory once they
	// are in memory, which is faster and loses them with the container.
	// +optional
	// +kubebuilder:validation:Enum=Durable;Memory
	AckPolicy AckPolicy `json:"ackPolicy,omitempty"`

	// retry is how messages are tried again that could not be delivered.
	// +optional
	Retry *RetryPolicy `json:"retry,omitempty"`

	// storage is what messages are kept on.
	// +optional
	Storage *DeliveryStorage `json:"storage,omitempty"`

	// maxPending is the greatest number of messages that wait, from 1000 to 10000000. Alerts that come when there are
	// more are not taken, with status 503, and their sender tries again. Absent: 100000.
	// +optional
	// +kubebuilder:validation:Minimum=1000
	// +kubebuilder:validation:Maximum=10000000
	// +kubebuilder:validation:XValidation:rule="self - self == 0",message="must be a whole number"
	MaxPending *int32 `json:"maxPending,omitempty"`

	// egress says which addresses messages may go to.
	// +optional
	Egress *Egress `json:"egress,omitempty"`

	// tenantSecretPolicy says what becomes of a tenant's object that names a Secret or a ConfigMap which its author may
	// not read: Enforce (also when empty) does not use it, Warn uses it and says so in the conditions.
	// +optional
	// +kubebuilder:validation:Enum=Enforce;Warn
	TenantSecretPolicy TenantSecretPolicy `json:"tenantSecretPolicy,omitempty"`
}

// AckPolicy says when alerts are acknowledged.
type AckPolicy string

// The policies of acknowledgement.
const (
	AckDurable AckPolicy = "Durable"
	AckMemory  AckPolicy = "Memory"
)

// TenantSecretPolicy says what becomes of a tenant's object that names what its author may not read.
type TenantSecretPolicy string

// The policies of tenants' secrets.
const (
	TenantSecretEnforce TenantSecretPolicy = "Enforce"
	TenantSecretWarn    TenantSecretPolicy = "Warn"
)

// Egress says which addresses messages may go to. Whatever a name resolves to is checked at the moment of the
// connection. Loopback, link-local (with it the cloud's metadata), multicast and unspecified addresses are refused;
// what tenants may reach beside that is for a NotificationPolicy to say.
type Egress struct {
	// allow are networks that may be reached although they are refused otherwise, such as 127.0.0.0/8 for a server on
	// the same machine.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Format=cidr
	Allow []string `json:"allow,omitempty"`

	// deny are networks that may not be reached, whatever else allows them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:Format=cidr
	Deny []string `json:"deny,omitempty"`

	// tenantPrivateNetworks is Deny to refuse private addresses to tenants, those of the cluster among them; Allow,
	// also when empty, refuses those that deny names.
	// +optional
	// +kubebuilder:validation:Enum=Allow;Deny
	TenantPrivateNetworks AccessMode `json:"tenantPrivateNetworks,omitempty"`
}

// ManagerAuth says whom the service answers: those with the token, and those whom the API server knows.
//
// +kubebuilder:validation:XValidation:rule="has(self.bearerToken) || has(self.tokenReview)",message="give bearerToken or tokenReview: nobody could be let in otherwise"
type ManagerAuth struct {
	// endpoints says which are guarded: Verification (also when empty) are those that send messages with stored
	// credentials or tell of receivers and deliveries; All are those that take alerts too. Probes and metrics are open.
	// +optional
	// +kubebuilder:validation:Enum=Verification;All
	Endpoints AuthEndpoints `json:"endpoints,omitempty"`

	// bearerToken is a token that lets in whoever sends it.
	// +optional
	BearerToken *Credential `json:"bearerToken,omitempty"`

	// tokenReview lets in users of the cluster, by the token that they send.
	// +optional
	TokenReview *TokenReviewAuth `json:"tokenReview,omitempty"`
}

// AuthEndpoints says which endpoints are guarded.
type AuthEndpoints string

// The sets of endpoints.
const (
	AuthVerification AuthEndpoints = "Verification"
	AuthAll          AuthEndpoints = "All"
)

// TokenReviewAuth lets in users of the cluster.
//
// +kubebuilder:validation:XValidation:rule="has(self.users) && size(self.users) > 0 || has(self.groups) && size(self.groups) > 0",message="name users or groups: nobody is let in otherwise"
type TokenReviewAuth struct {
	// audiences that a token must be for. Empty: the API server.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Audiences []string `json:"audiences,omitempty"`

	// users are the names of users who are let in, such as system:serviceaccount:monitoring:console.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Users []string `json:"users,omitempty"`

	// groups are the names of groups whose members are let in.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Groups []string `json:"groups,omitempty"`
}
