package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/klog/v2"

	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/report"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/server"
)

// world is what is outside of the process.
type world struct {
	clients   kubernetes.Interface
	metadata  metadata.Interface
	listers   follow.Listers
	apply     report.Apply
	users     server.Users
	namespace string
	deny      []netip.Prefix
}

// How long a client may take to say what it wants, and may say nothing.
const (
	headerPatience = 5 * time.Second
	readPatience   = 30 * time.Second
	idlePatience   = 2 * time.Minute
	stopPatience   = 10 * time.Second
	headerLimit    = 64 << 10
)

// serve answers until the context ends, and lets what has begun come to its end.
func serve(ctx context.Context, options *Options, handler http.Handler) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", options.Address)
	if err != nil {
		return fmt.Errorf("--webhook.address: %w", err)
	}

	klog.FromContext(ctx).Info("Answers", "address", listener.Addr().String())

	answering := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerPatience, ReadTimeout: readPatience, IdleTimeout: idlePatience,
		WriteTimeout:   readPatience + options.IngestPatience + options.SendPatience,
		MaxHeaderBytes: headerLimit, ErrorLog: klog.NewStandardLogger("WARNING"),
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}

	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)

		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
		defer cancel()

		if answering.Shutdown(ctx) != nil {
			_ = answering.Close()
		}
	})

	err = answering.Serve(listener)
	if errors.Is(err, http.ErrServerClosed) {
		<-ended

		return nil
	}

	stop()

	return fmt.Errorf("--webhook.address: %w", err)
}

// users asks the API server who has a token.
type users struct {
	client authenticationclient.TokenReviewInterface
}

// Review asks.
func (u users) Review(
	ctx context.Context, token string, audiences []string,
) (authenticationv1.TokenReviewStatus, error) {
	made, err := u.client.Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: audiences},
	}, metav1.CreateOptions{})
	if err != nil {
		return authenticationv1.TokenReviewStatus{}, err
	}

	return made.Status, nil
}

// apiServer are the addresses of the API server: no message may go there. One on this machine is left to the rule
// about loopback, which can be lifted to try things out.
func apiServer(host, service string) []netip.Prefix {
	names := []string{service}

	if address, err := url.Parse(host); err == nil {
		names = append(names, address.Hostname())
	}

	var found []netip.Prefix

	for _, name := range names {
		if address, err := netip.ParseAddr(name); err == nil && !address.Unmap().IsLoopback() {
			found = append(found, netip.PrefixFrom(address.Unmap(), address.Unmap().BitLen()))
		}
	}

	return found
}
