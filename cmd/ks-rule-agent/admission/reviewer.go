// Package admission tells authors of groups of rules what is wrong before it is stored. It adds nothing that the
// controllers do not find out too, so whatever goes wrong here lets the object in.
package admission

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/ks-core/ks-controller-manager/pkg/alerting"
	engine "github.com/ks-core/ks-controller-manager/pkg/alerting/admission"
	"github.com/ks-core/ks-controller-manager/pkg/alerting/rendering"
)

const (
	// patience is how long a review may take, and queueing how long it may wait before: together less than the API
	// server waits.
	patience, queueing = 1800 * time.Millisecond, 800 * time.Millisecond

	// atOnce is how many calls are read and looked at side by side. A call may have seven megabytes, which are several
	// times as many when they are read.
	atOnce = 4
)

// Reviewer answers the API server.
type Reviewer struct {
	surroundings surroundings
}

var _ admission.Handler = &Reviewer{}

// NewReviewer makes a reviewer that looks policies, namespaces and groups up with reader. cluster is the name of the
// cluster in the labels of series, as the manager has it.
func NewReviewer(reader client.Reader, cluster string) *Reviewer {
	return &Reviewer{surroundings: surroundings{reader: reader, cluster: cluster}}
}

// Bounded lets few calls in at the same time, before anything of them is read. To one that has to wait for too long it
// answers that it is too busy, upon which the API server lets the object in.
func Bounded(next http.Handler) http.Handler {
	slots := make(chan struct{}, atOnce)

	return http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		ctx, cancel := context.WithTimeout(request.Context(), queueing)
		defer cancel()

		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()

			next.ServeHTTP(writer, request)
		case <-ctx.Done():
			http.Error(writer, "too many groups are being looked at", http.StatusServiceUnavailable)
		}
	})
}

// Handle implements admission.Handler.
func (r *Reviewer) Handle(ctx context.Context, request admission.Request) (response admission.Response) {
	defer func() {
		if cause := recover(); cause != nil {
			klog.FromContext(ctx).Error(fmt.Errorf("panic: %v", cause), "a group of rules could not be looked at",
				"kind", request.Kind.Kind, "namespace", request.Namespace, "name", request.Name,
				"stack", string(debug.Stack()))

			response = unsaid("this is a bug")
		}
	}()

	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	answer, err := r.review(ctx, request)
	if err != nil {
		return unsaid(err.Error())
	}

	return respond(request, answer)
}

// review asks the engine, and leaves nothing refused that would not be in force anyway.
func (r *Reviewer) review(ctx context.Context, request admission.Request) (engine.Answer, error) {
	now, err := read(request.Kind.Kind, request.Object.Raw)
	if err != nil {
		return engine.Answer{}, err
	}

	// Whoever takes a finalizer off must not be held up by rules that are on their way out.
	if !now.meta.GetDeletionTimestamp().IsZero() {
		return engine.Answer{}, nil
	}

	before, err := readOld(request)
	if err != nil {
		return engine.Answer{}, err
	}

	around, surplus, err := r.surroundings.of(ctx, now)
	if err != nil {
		return engine.Answer{}, err
	}

	answer, err := engine.Review(ctx, before, now.group, around)
	if err != nil {
		return engine.Answer{}, fmt.Errorf("look at the group: %w", err)
	}

	if surplus.Given() {
		answer.Refusals = append(answer.Refusals, surplusMessage(surplus))
	}

	// A group that is not enabled harms nobody, and one that was let in before stays.
	if !alerting.Enabled(now.meta) || (surplus.Given() && before != nil) {
		answer.Warnings = append(answer.Refusals, answer.Warnings...)
		answer.Refusals = nil
	}

	return answer, nil
}

// readOld reads what the group was; nil for a new one.
func readOld(request admission.Request) (*rendering.Group, error) {
	if request.Operation != admissionv1.Update {
		return nil, nil //nolint:nilnil // Nothing was there.
	}

	old, err := read(request.Kind.Kind, request.OldObject.Raw)
	if err != nil {
		return nil, err
	}

	return &old.group, nil
}

// unsaid lets an object in that could not be looked at, and says so.
func unsaid(reason string) admission.Response {
	return admission.Allowed("").WithWarnings(clip(
		"the rules could not be looked at: " + reason + "; the conditions of the object will say what becomes of them"))
}

// respond turns an answer into that of the API server.
func respond(request admission.Request, answer engine.Answer) admission.Response {
	warnings := answer.Warnings
	if request.DryRun != nil && *request.DryRun {
		warnings = append(warnings, answer.Rendered...)
	}

	if len(answer.Refusals) == 0 {
		return admission.Allowed("").WithWarnings(fit(warnings)...)
	}

	response := admission.Denied("").WithWarnings(fit(warnings)...)
	response.Result = refusal(request, answer.Refusals)
	response.Result.Code = http.StatusUnprocessableEntity

	return response
}
