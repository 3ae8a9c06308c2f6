package accounts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
)

// maxPassword is how many bytes of a password bcrypt looks at. Checking a longer one against the hash of its first
// bytes succeeds, as it always did.
const maxPassword = 72

// Hash returns the bcrypt hash of a password. The error tells nothing of the password.
func Hash(password string, cost int) (string, error) {
	secret := []byte(password)

	hash, err := bcrypt.GenerateFromPassword(secret[:min(len(secret), maxPassword)], cost)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}

	return string(hash), nil
}

// IsHash tells whether a password is a bcrypt hash: what begins like one and is none is a password in plain.
func IsHash(password string) bool {
	const (
		alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
		content  = 53 // characters of salt and hash
	)

	rest, isBcrypt := strings.CutPrefix(password, "$2")
	version, rest, hasCost := strings.Cut(rest, "$")
	cost, rest, hasContent := strings.Cut(rest, "$")

	if !isBcrypt || !hasCost || !hasContent || !slices.Contains([]string{"", "a", "b", "x", "y"}, version) {
		return false
	}

	number, err := strconv.Atoi(cost)
	isCost := err == nil && len(cost) == 2 && number >= bcrypt.MinCost && number <= bcrypt.MaxCost

	return isCost && len(rest) == content && strings.Trim(rest, alphabet) == ""
}

// IsPlain tells whether a password is there and in plain.
func IsPlain(password string) bool { return password != "" && !IsHash(password) }

// Leaks names the annotations, sorted, that hold a password of the user in plain: what clients keep there of the
// object as it was applied.
func Leaks(user *iamv1beta1.User) []string {
	var leaks []string

	for _, key := range slices.Sorted(maps.Keys(user.Annotations)) {
		if leaksPassword(key, user.Annotations[key], user.Spec.Password) {
			leaks = append(leaks, key)
		}
	}

	return leaks
}

func leaksPassword(key, value, password string) bool {
	var applied struct {
		Spec struct {
			Password string `json:"password"`
		} `json:"spec"`
	}

	err := json.Unmarshal([]byte(value), &applied)
	if err == nil && IsPlain(applied.Spec.Password) {
		return true
	}

	// What else stands in a copy of the object is not worth the risk.
	return key == corev1.LastAppliedConfigAnnotation && IsPlain(password) && mentions(value, password)
}

// mentions tells whether JSON has a text somewhere that contains another, however either is escaped. What is no JSON
// may.
func mentions(raw, text string) bool {
	decoder := json.NewDecoder(strings.NewReader(raw))

	for {
		token, err := decoder.Token()
		if err != nil {
			return !errors.Is(err, io.EOF)
		}

		if found, isText := token.(string); isText && strings.Contains(found, text) {
			return true
		}
	}
}

// isFirst tells whether a password is the first that the user has. Then the request to change it stays: it is the one
// that somebody else has chosen. A user that was never looked at has no state, and one without a password says so.
func isFirst(user *iamv1beta1.User) bool {
	if user.Annotations[iamv1beta1.LastPasswordChangeAnnotation] != "" {
		return false
	}

	return user.Status.State == nil || lacksPassword(user.Status)
}
