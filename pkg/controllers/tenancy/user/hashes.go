package user

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy/accounts"
)

// hashes computes the hash of a password once for each version of a user, however often its run is repeated: a hash
// takes as long as a hundred writes. What is kept is gone as soon as the hash is seen in its place.
type hashes struct {
	cost int

	mutex sync.Mutex
	kept  map[string]keptHash
}

type keptHash struct {
	uid     types.UID
	version string
	hash    string
}

func newHashes(cost int) *hashes { return &hashes{cost: cost, kept: map[string]keptHash{}} }

// of returns the hash of the password of a user.
func (h *hashes) of(user *iamv1beta1.User) (string, error) {
	if kept, found := h.find(user.Name); found && kept.uid == user.UID && kept.version == user.ResourceVersion {
		return kept.hash, nil
	}

	hash, err := accounts.Hash(user.Spec.Password, h.cost)
	if err != nil {
		return "", err
	}

	h.mutex.Lock()
	defer h.mutex.Unlock()

	h.kept[user.Name] = keptHash{uid: user.UID, version: user.ResourceVersion, hash: hash}

	return hash, nil
}

func (h *hashes) find(user string) (keptHash, bool) {
	h.mutex.Lock()
	defer h.mutex.Unlock()

	kept, found := h.kept[user]

	return kept, found
}

func (h *hashes) forget(user string) {
	h.mutex.Lock()
	defer h.mutex.Unlock()

	delete(h.kept, user)
}
