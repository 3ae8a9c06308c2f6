package accounts_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

// sample is the hash of some password.
const sample = "$2a$04$DlWJjAs9e0ZJDVHVd5LWueoV3RGN6OuW0SSvPU3lSmHrTGPTA4bNG"

func TestIsHash(t *testing.T) {
	t.Parallel()

	tests := map[string]bool{
		"":                                     false,
		sample:                                 true,
		strings.Replace(sample, "a", "b", 1):   true,
		strings.Replace(sample, "a", "y", 1):   true,
		strings.Replace(sample, "a", "z", 1):   false,
		strings.Replace(sample, "04", "03", 1): false,
		strings.Replace(sample, "04", "32", 1): false,
		strings.Replace(sample, "04", "4", 1):  false,
		sample[:59]:                            false,
		sample + "x":                           false,
		sample[:59] + "!":                      false,
		"$2Password1":                          false,
		"P@88w0rd":                             false,
		"$2a$10$Password1":                     false,
	}

	for password, want := range tests {
		if got := accounts.IsHash(password); got != want {
			t.Errorf("IsHash(%q) = %t, want %t", password, got, want)
		}
	}
}

// Whoever checks the whole of a long password finds it right, as with the hashes that KubeSphere made.
func TestHashIsThatOfThePassword(t *testing.T) {
	t.Parallel()

	for _, password := range []string{"P@88w0rd", strings.Repeat("Ab1", 40), strings.Repeat("Aa1\u00e9", 16), "x"} {
		hash, err := accounts.Hash(password, bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}

		if err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)); err != nil {
			t.Errorf("the hash of a password of %d bytes: %v", len(password), err)
		}

		if !accounts.IsHash(hash) || len(hash) > 64 {
			t.Errorf("%s is no hash that the definition accepts", hash)
		}
	}
}

func user(password string, annotations map[string]string) *iamv1beta1.User {
	return &iamv1beta1.User{
		ObjectMeta: metav1.ObjectMeta{Name: "alice", ResourceVersion: "7", Annotations: annotations},
		Spec:       iamv1beta1.UserSpec{Password: password},
	}
}

func TestLeaks(t *testing.T) {
	t.Parallel()

	const password = `Pass"<w0rd`

	applied := func(content string) map[string]string {
		return map[string]string{corev1.LastAppliedConfigAnnotation: content}
	}
	last := []string{corev1.LastAppliedConfigAnnotation}

	tests := map[string]struct {
		password    string
		annotations map[string]string
		want        []string
	}{
		"no annotations":           {password, nil, nil},
		"as applied":               {password, applied(`{"spec":{"password":"Pass\"\u003cw0rd"}}`), last},
		"an older one":             {password, applied(`{"spec":{"password":"Other123"}}`), last},
		"beside the hash":          {sample, applied(`{"spec":{"password":"Other123"}}`), last},
		"the hash itself":          {sample, applied(`{"spec":{"password":"` + sample + `"}}`), nil},
		"without a password":       {password, applied(`{"spec":{"email":"a@b.c"}}`), nil},
		"elsewhere in the copy":    {password, applied(`{"metadata":{"annotations":{"x":"is Pass\"\u003cw0rd!"}}}`), last},
		"twice":                    {password, applied(`{"spec":{"password":"Pass\"\u003cw0rd","password":"` + sample + `"}}`), last},
		"no JSON":                  {password, applied(`{"spec":` + `{"password":"Pass`), last},
		"no JSON beside the hash":  {sample, applied(`{`), nil},
		"the copy of another tool": {password, map[string]string{"kapp.k14s.io/original": `{"spec":{"password":"Other123"}}`, "a": password}, []string{"kapp.k14s.io/original"}},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			if diff := cmp.Diff(test.want, accounts.Leaks(user(test.password, test.annotations))); diff != "" {
				t.Errorf("leaks (-want +got):\n%s", diff)
			}
		})
	}
}

func noon() time.Time { return time.Date(2030, time.January, 1, 12, 0, 0, 0, time.UTC) }

func TestPasswordPatch(t *testing.T) {
	t.Parallel()

	active, disabled := iamv1beta1.UserActive, iamv1beta1.UserDisabled
	uninitialized := map[string]string{iamv1beta1.UninitializedAnnotation: "true"}
	changed := map[string]string{
		iamv1beta1.UninitializedAnnotation: "true", iamv1beta1.LastPasswordChangeAnnotation: "2029-01-01T00:00:00Z",
	}
	disabledFor := func(reason string) iamv1beta1.UserStatus {
		return iamv1beta1.UserStatus{State: &disabled, Reason: reason}
	}

	const (
		drops = `{"metadata":{"annotations":{"iam.kubesphere.io/last-password-change-time":"2030-01-01T12:00:00Z",` +
			`"iam.kubesphere.io/uninitialized":null},"resourceVersion":"7"},"spec":{"password":"hash"}}`
		keeps = `{"metadata":{"annotations":{"iam.kubesphere.io/last-password-change-time":"2030-01-01T12:00:00Z"},` +
			`"resourceVersion":"7"},"spec":{"password":"hash"}}`
	)

	tests := map[string]struct {
		annotations map[string]string
		status      iamv1beta1.UserStatus
		want        string
	}{
		"a new user, to change its password":   {uninitialized, iamv1beta1.UserStatus{}, keeps},
		"a new user":                           {nil, iamv1beta1.UserStatus{}, keeps},
		"one that had none":                    {uninitialized, disabledFor("PasswordNotSet: as we say"), keeps},
		"one that came with a hash changes it": {uninitialized, iamv1beta1.UserStatus{State: &active}, drops},
		"one that was disabled changes it":     {uninitialized, disabledFor("by an administrator"), drops},
		"one changes it again":                 {changed, iamv1beta1.UserStatus{}, drops},
	}

	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			subject := user("P@88w0rd", test.annotations)
			subject.Status = test.status

			patch := accounts.NewPatch(subject)
			patch.SetPassword("hash", noon())

			got, err := patch.JSON()
			if err != nil {
				t.Fatal(err)
			}

			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("patch (-want +got):\n%s", diff)
			}
		})
	}
}

// No patch leaves the password, or what a client wrote down of it, where it was, and none holds it itself.
func FuzzPasswordPatchNeverLeaks(f *testing.F) {
	f.Add("P@88w0rd", "", `{"note":"x"}`)
	f.Add(`Pa"\u003c1<`, "before ", ` after`)
	f.Add("$2a$10$Password1", `{"spec":{"password":"`, `"}}`)
	f.Add("Aa1\xff\x00\u00e9", "[[", "")

	f.Fuzz(func(t *testing.T, password, before, after string) {
		password = strings.ToValidUTF8(password, "?") // as all that comes through the API
		if !accounts.IsPlain(password) || len(password) < 8 {
			return // nothing to hash
		}

		applied, err := json.Marshal(map[string]any{"spec": map[string]any{
			"password": password, "description": before + password + after,
		}})
		if err != nil {
			t.Fatal(err)
		}

		quoted, err := json.Marshal(before + password + after)
		if err != nil {
			t.Fatal(err)
		}

		for _, copied := range []string{
			string(applied), `{"a":` + string(quoted) + `}`, `[` + string(quoted), string(quoted),
		} {
			subject := user(password, map[string]string{corev1.LastAppliedConfigAnnotation: copied})

			patch := accounts.NewPatch(subject)
			patch.DropLeaks()
			patch.SetPassword(sample, noon())

			content, err := patch.JSON()
			if err != nil {
				t.Fatal(err)
			}

			var sent struct {
				Metadata struct {
					Annotations map[string]*string `json:"annotations"`
				} `json:"metadata"`
				Spec map[string]any `json:"spec"`
			}
			if err := json.Unmarshal(content, &sent); err != nil {
				t.Fatal(err)
			}

			value, isSent := sent.Metadata.Annotations[corev1.LastAppliedConfigAnnotation]
			if !isSent || value != nil {
				t.Errorf("the copy %q stays: %s", copied, content)
			}

			if sent.Spec["password"] != sample {
				t.Errorf("the password stays: %s", content)
			}
		}
	})
}
