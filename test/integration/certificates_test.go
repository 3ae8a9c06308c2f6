package integration_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
)

const (
	// usernameLabel on a request for a certificate was all that KubeSphere asked for before it approved it; the key was
	// in the annotation, for everybody who may read such requests.
	usernameLabel        = "kubesphere.io/username"
	privateKeyAnnotation = "kubesphere.io/private-key"

	holder = "certified"
)

// Whoever could make a request for a certificate could be any user. Nothing of ours approves or signs one, whatever
// its labels say, while the User that it names is kept by the manager, and the approver of Kubernetes is at work.
func TestNoCertificateIsApprovedForALabel(t *testing.T) {
	started := startManager(t)

	user := &iamv1beta1.User{ObjectMeta: metav1.ObjectMeta{Name: holder}}
	user.Spec.Email = holder + "@example.com"
	create(t, user)
	waitActive(t, holder)
	createLegacyKubeconfigs(t)

	var asked []*certificatesv1.CertificateSigningRequest
	for _, name := range []string{holder, "admin", "kubesphere.users." + holder, "nobody-known"} {
		asked = append(asked, labelledRequest(t, name))
	}

	// What comes after them is seen by everybody who would have seen them.
	waitHashed(t, holder)
	waitApproved(t, nodeRequest(t))
	eventually(t, "the controllers have nothing to do", func(context.Context) error { return drained() })

	for _, request := range asked {
		if err := admin.Get(t.Context(), client.ObjectKeyFromObject(request), request); err != nil {
			t.Fatal(err)
		}

		if len(request.Status.Conditions) > 0 || len(request.Status.Certificate) > 0 {
			t.Errorf("request %s is answered: %+v", request.Name, request.Status)
		}
	}

	if paths := started.requests.about("certificatesigningrequests"); len(paths) > 0 {
		t.Errorf("the manager asked for %v", paths)
	}

	checkKeys(t, asked)
}

// The manager could not either: its roles do not let it.
func TestManagerMayNotApproveCertificates(t *testing.T) {
	const account = "system:serviceaccount:" + accountNamespace + ":" + accountName

	for _, forbidden := range []authorizationv1.ResourceAttributes{
		{Verb: "get", Resource: "certificatesigningrequests"},
		{Verb: "list", Resource: "certificatesigningrequests"},
		{Verb: "create", Resource: "certificatesigningrequests"},
		{Verb: "update", Resource: "certificatesigningrequests"},
		{Verb: "update", Resource: "certificatesigningrequests", Subresource: "approval"},
		{Verb: "patch", Resource: "certificatesigningrequests", Subresource: "approval"},
		{Verb: "update", Resource: "certificatesigningrequests", Subresource: "status"},
		{Verb: "approve", Resource: "signers", Name: certificatesv1.KubeAPIServerClientSignerName},
		{Verb: "sign", Resource: "signers", Name: certificatesv1.KubeAPIServerClientSignerName},
	} {
		forbidden.Group = certificatesv1.GroupName
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: account, Groups: []string{"system:serviceaccounts", "system:authenticated"},
			ResourceAttributes: &forbidden,
		}}

		if err := admin.Create(t.Context(), review); err != nil {
			t.Fatal(err)
		}

		if review.Status.Allowed {
			t.Errorf("the manager may %s %s/%s", forbidden.Verb, forbidden.Resource, forbidden.Subresource)
		}
	}
}

// createLegacyKubeconfigs makes what both majors keep for a user: a ConfigMap in 3.x, a Secret in 4.x.
func createLegacyKubeconfigs(t *testing.T) {
	t.Helper()

	const name = "kubeconfig-" + holder

	controls := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kubesphere-controls-system"}}

	err := admin.Create(t.Context(), controls)
	if client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}

	labels := map[string]string{usernameLabel: holder}
	create(t, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kubesphere-controls-system", Name: name, Labels: labels},
		Data:       map[string]string{"config": "apiVersion: v1\nkind: Config\n"},
	})
	create(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: accountNamespace, Name: name, Labels: labels},
		Type:       "config.kubesphere.io/kubeconfig",
		StringData: map[string]string{"config": "apiVersion: v1\nkind: Config\n"},
	})
}

// labelledRequest asks for a certificate of a user as KubeSphere did, with the private key beside it.
func labelledRequest(t *testing.T, name string) *certificatesv1.CertificateSigningRequest {
	t.Helper()

	request, key := certificateRequest(t, pkix.Name{CommonName: name})
	made := &certificatesv1.CertificateSigningRequest{ObjectMeta: metav1.ObjectMeta{
		Name: "kubesphere-" + name, Labels: map[string]string{usernameLabel: name},
		Annotations: map[string]string{privateKeyAnnotation: key},
	}}
	made.Spec = certificatesv1.CertificateSigningRequestSpec{
		Request: request, SignerName: certificatesv1.KubeAPIServerClientSignerName,
		Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
	}
	create(t, made)

	return made
}

// nodeRequest asks for the certificate of a kubelet, which the real kube-controller-manager approves by itself.
func nodeRequest(t *testing.T) *certificatesv1.CertificateSigningRequest {
	t.Helper()

	request, _ := certificateRequest(t, pkix.Name{
		CommonName: "system:node:witness", Organization: []string{"system:nodes"},
	})
	made := &certificatesv1.CertificateSigningRequest{ObjectMeta: metav1.ObjectMeta{Name: "witness"}}
	made.Spec = certificatesv1.CertificateSigningRequestSpec{
		Request: request, SignerName: certificatesv1.KubeAPIServerClientKubeletSignerName,
		Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
	}
	create(t, made)

	return made
}

func waitApproved(t *testing.T, request *certificatesv1.CertificateSigningRequest) {
	t.Helper()

	eventually(t, request.Name+" is approved", func(ctx context.Context) error {
		if err := admin.Get(ctx, client.ObjectKeyFromObject(request), request); err != nil {
			return err
		}

		for _, condition := range request.Status.Conditions {
			if condition.Type == certificatesv1.CertificateApproved {
				return nil
			}
		}

		return fmt.Errorf("conditions %+v", request.Status.Conditions)
	})
}

// certificateRequest returns a request in PEM, and its key.
func certificateRequest(t *testing.T, subject pkix.Name) ([]byte, string) {
	t.Helper()

	key, errKey := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if errKey != nil {
		t.Fatal(errKey)
	}

	request, errRequest := x509.CreateCertificateRequest(rand.Reader,
		&x509.CertificateRequest{Subject: subject, SignatureAlgorithm: x509.ECDSAWithSHA256}, key)
	content, errContent := x509.MarshalECPrivateKey(key)

	if err := errors.Join(errRequest, errContent); err != nil {
		t.Fatal(err)
	}

	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}),
		string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: content}))
}

func waitActive(t *testing.T, name string) {
	t.Helper()

	eventually(t, "user "+name+" is kept", func(ctx context.Context) error {
		user := &iamv1beta1.User{}
		if err := admin.Get(ctx, client.ObjectKey{Name: name}, user); err != nil {
			return err
		}

		if user.Status.State == nil || len(user.Finalizers) == 0 {
			return fmt.Errorf("state %v, finalizers %v", user.Status.State, user.Finalizers)
		}

		return nil
	})
}

// waitHashed gives a user a password in plain, and waits until the manager has seen it.
func waitHashed(t *testing.T, name string) {
	t.Helper()

	user := &iamv1beta1.User{ObjectMeta: metav1.ObjectMeta{Name: name}}
	patch := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"password":"Pa55word-in-plain"}}`))

	if err := admin.Patch(t.Context(), user, patch); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the password of user "+name+" is hashed", func(ctx context.Context) error {
		if err := admin.Get(ctx, client.ObjectKey{Name: name}, user); err != nil {
			return err
		}

		if !strings.HasPrefix(user.Spec.Password, "$2") {
			return errors.New("it is not")
		}

		return nil
	})
}

// about returns the requests that were about a resource.
func (r *requests) about(resource string) []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()

	return slices.DeleteFunc(slices.Sorted(maps.Keys(r.seen)), func(request string) bool {
		return !strings.Contains(request, resource)
	})
}

// checkKeys wants no private key in an annotation but where the test has put one, and that key nowhere else.
func checkKeys(t *testing.T, asked []*certificatesv1.CertificateSigningRequest) {
	t.Helper()

	var want, got []string

	for _, request := range asked {
		want = append(want, "CertificateSigningRequest /"+request.Name)
	}

	for kind, list := range keepers() {
		if err := admin.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}

		for i := range list.Items {
			if hasKey(list.Items[i].Annotations) {
				got = append(got, kind+" "+list.Items[i].Namespace+"/"+list.Items[i].Name)
			}
		}
	}

	slices.Sort(want)
	slices.Sort(got)

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("private keys in annotations (-want +got):\n%s", diff)
	}

	checkContents(t, asked)
}

func hasKey(annotations map[string]string) bool {
	for key, value := range annotations {
		if key == privateKeyAnnotation || strings.Contains(value, "PRIVATE KEY") {
			return true
		}
	}

	return false
}

// keepers are the kinds that KubeSphere keeps something of users in.
func keepers() map[string]*metav1.PartialObjectMetadataList {
	out := map[string]*metav1.PartialObjectMetadataList{}

	for _, kind := range []schema.GroupVersionKind{
		certificatesv1.SchemeGroupVersion.WithKind("CertificateSigningRequest"),
		corev1.SchemeGroupVersion.WithKind("ConfigMap"), corev1.SchemeGroupVersion.WithKind("Secret"),
		corev1.SchemeGroupVersion.WithKind("ServiceAccount"), corev1.SchemeGroupVersion.WithKind("Namespace"),
		iamv1beta1.SchemeGroupVersion.WithKind("User"),
	} {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		out[kind.Kind] = list
	}

	return out
}

// checkContents wants the keys of requests in nobody's kubeconfig: the manager makes and fills none.
func checkContents(t *testing.T, asked []*certificatesv1.CertificateSigningRequest) {
	t.Helper()

	configs, secrets := &corev1.ConfigMapList{}, &corev1.SecretList{}
	if err := errors.Join(admin.List(t.Context(), configs), admin.List(t.Context(), secrets)); err != nil {
		t.Fatal(err)
	}

	for _, request := range asked {
		key := strings.Split(request.Annotations[privateKeyAnnotation], "\n")[1]

		for i := range configs.Items {
			for _, value := range configs.Items[i].Data {
				if strings.Contains(value, key) {
					t.Errorf("the key of %s is in ConfigMap %s", request.Name, configs.Items[i].Name)
				}
			}
		}

		for i := range secrets.Items {
			for _, value := range secrets.Items[i].Data {
				if bytes.Contains(value, []byte(key)) {
					t.Errorf("the key of %s is in Secret %s", request.Name, secrets.Items[i].Name)
				}
			}
		}
	}
}
