package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/klog/v2"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/cmd/notification-manager/follow"
)

// Users knows the users of the cluster by their tokens: the audiences are whom a token must be for.
type Users interface {
	Review(ctx context.Context, token string, audiences []string) (authenticationv1.TokenReviewStatus, error)
}

// gate lets requests in.
type gate struct {
	users Users
	clock func() time.Time

	mutex    sync.Mutex
	reviewed map[[sha256.Size]byte]review
}

// review is what was said of a token.
type review struct {
	user    authenticationv1.UserInfo
	good    bool
	expires time.Time
}

// How long an answer about a token counts, and of how many it is kept.
const (
	goodFor        = time.Minute
	badFor         = 10 * time.Second
	reviewsAtMost  = 1024
	reviewPatience = 5 * time.Second
)

func newGate(users Users, clock func() time.Time) *gate {
	return &gate{users: users, clock: clock, reviewed: map[[sha256.Size]byte]review{}}
}

// knownKey marks the context of a request of which it is known that its sender may ask.
type knownKey struct{}

// known tells whether it is known that the sender of a request may ask.
func known(ctx context.Context) bool {
	return ctx.Value(knownKey{}) != nil
}

// guard lets in those whom the NotificationManager lets in.
func (g *gate) guard(by guarded, view func() *follow.View, serve http.HandlerFunc) http.HandlerFunc {
	if by == open {
		return serve
	}

	return func(writer http.ResponseWriter, request *http.Request) {
		now := view()
		if now == nil || now.Auth == nil || by == posting && !now.Auth.All {
			serve(writer, request)

			return
		}

		switch err := g.let(request, now.Auth); {
		case err == nil:
			serve(writer, request.WithContext(context.WithValue(request.Context(), knownKey{}, true)))
		case errors.Is(err, errUnknown):
			writer.Header().Set("WWW-Authenticate", `Bearer realm="notification-manager"`)
			answer(writer, http.StatusUnauthorized, err.Error())
		case errors.Is(err, errStranger):
			answer(writer, http.StatusForbidden, err.Error())
		default:
			klog.FromContext(request.Context()).Error(err, "Cannot tell who asks")
			again(writer, soon, "the API server does not say who asks")
		}
	}
}

// Why a request is not let in.
var (
	errUnknown  = errors.New("send a token that is let in, as Authorization: Bearer <token>")
	errStranger = errors.New("the user of the token is none of those that spec.auth.tokenReview of the " +
		"NotificationManager lets in")
)

func (g *gate) let(request *http.Request, auth *follow.Auth) error {
	token, given := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer ")
	token = strings.TrimSpace(token)

	if !given || token == "" {
		return errUnknown
	}

	if !auth.Token.Empty() && equal(token, auth.Token.Reveal()) {
		return nil
	}

	if auth.Review == nil || g.users == nil {
		return errUnknown
	}

	found, err := g.review(request.Context(), token, auth.Review.Audiences)

	switch {
	case err != nil:
		return err
	case !found.good:
		return errUnknown
	case lets(auth.Review, &found.user):
		return nil
	default:
		return errStranger
	}
}

// equal compares in a time that says nothing of where two texts differ.
func equal(a, b string) bool {
	sumA, sumB := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))

	return subtle.ConstantTimeCompare(sumA[:], sumB[:]) == 1
}

func lets(in *notificationv2beta2.TokenReviewAuth, user *authenticationv1.UserInfo) bool {
	return slices.Contains(in.Users, user.Username) ||
		slices.ContainsFunc(user.Groups, func(group string) bool { return slices.Contains(in.Groups, group) })
}

// review asks who has a token; an answer counts for a while.
func (g *gate) review(ctx context.Context, token string, audiences []string) (review, error) {
	key := sha256.Sum256([]byte(strings.Join(audiences, "\x00") + "\x00\x00" + token))
	now := g.clock()

	g.mutex.Lock()
	found, kept := g.reviewed[key]
	g.mutex.Unlock()

	if kept && now.Before(found.expires) {
		return found, nil
	}

	ctx, cancel := context.WithTimeout(ctx, reviewPatience)
	defer cancel()

	status, err := g.users.Review(ctx, token, audiences)
	if err != nil {
		return review{}, fmt.Errorf("review a token: %w", err)
	}

	found = review{user: status.User, good: status.Authenticated, expires: now.Add(badFor)}
	if found.good {
		found.expires = now.Add(goodFor)
	}

	// Who checks audiences says which of them a token is for.
	if len(audiences) > 0 && !slices.ContainsFunc(status.Audiences, func(one string) bool {
		return slices.Contains(audiences, one)
	}) {
		found.good = false
	}

	g.mutex.Lock()
	defer g.mutex.Unlock()

	if len(g.reviewed) >= reviewsAtMost {
		clear(g.reviewed)
	}

	g.reviewed[key] = found

	return found, nil
}
