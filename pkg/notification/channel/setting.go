package channel

import (
	"strings"

	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
	"github.com/ks-core/ks-controller-manager/pkg/notification/secret"
)

// SettingError is a setting of a channel that cannot be used. It holds nothing of the setting's value.
type SettingError struct {
	// Type is the channel.
	Type Type
	// Field is the setting's name in the Receiver or Config.
	Field string
	// Problem says what is wrong with it, and what is to be done.
	Problem string
}

// Error names the channel, the field and the problem.
func (e *SettingError) Error() string {
	return string(e.Type) + "." + e.Field + " " + e.Problem
}

// Endpoint reads the address of a provider's API, or the default where none is set.
func Endpoint(of Type, field, text, otherwise string) (egress.Endpoint, error) {
	if text == "" {
		text = otherwise
	}

	endpoint, err := egress.ParseEndpoint(text)
	if err != nil {
		return egress.Endpoint{}, &SettingError{Type: of, Field: field, Problem: err.Error()}
	}

	return endpoint, nil
}

// SecretEndpoint reads an address that is a credential itself, as those of robots and incoming webhooks are.
func SecretEndpoint(of Type, field string, text secret.String) (egress.Endpoint, error) {
	if text.Empty() {
		return egress.Endpoint{}, Missing(of, field)
	}

	return Endpoint(of, field, strings.TrimSpace(text.Reveal()), "")
}

// Missing is the error of a setting that a channel cannot do without.
func Missing(of Type, field string) error {
	return &SettingError{Type: of, Field: field, Problem: "is missing: set it"}
}

// Within is the limit of a provider, or a smaller one that the user set.
func Within(limit, set int) int {
	if set > 0 && set < limit {
		return set
	}

	return limit
}
