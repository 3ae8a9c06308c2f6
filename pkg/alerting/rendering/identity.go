package rendering

import (
	"crypto/sha1" //nolint:gosec // Names, not secrets: version 5 of UUIDs is made of it.
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	alertingv2beta1 "github.com/ks-core/ks-controller-manager/api/alerting/v2beta1"
)

// namespaceOfIDs makes our identities differ from everybody else's version 5 UUIDs.
//
//nolint:gochecknoglobals // A constant, which an array cannot be.
var namespaceOfIDs = [16]byte{
	0x6b, 0x73, 0x2d, 0x72, 0x75, 0x6c, 0x65, 0x2d, 0x69, 0x64, 0x65, 0x6e, 0x74, 0x69, 0x74, 0x79,
}

// identify returns the rule_id of each rule: its own label, or one derived from what stays when a group is edited,
// moved to another cluster or restored from a backup, which are names. Alerts of the same name are told apart by their
// order.
func (g Group) identify() []string {
	ids := make([]string, len(g.Rules))
	seen := map[string]int{}

	for i, rule := range g.Rules {
		if rule.Alert == "" {
			continue // A label of a recorded series would be a change to the series.
		}

		ordinal := seen[rule.Alert]
		seen[rule.Alert]++

		if id := rule.Labels[alertingv2beta1.RuleLabelID]; id != "" && !isTemplate(id) {
			ids[i] = id

			continue
		}

		ids[i] = uuid(g.Level, g.Namespace, g.Name, rule.Alert, strconv.Itoa(ordinal))
	}

	return ids
}

// uuid returns the version 5 UUID of some names. None of them but the one before the last can have a zero byte in it.
func uuid(names ...string) string {
	hash := sha1.New() //nolint:gosec // See above.
	hash.Write(namespaceOfIDs[:])
	hash.Write([]byte(strings.Join(names, "\x00")))

	id := hash.Sum(nil)[:16]
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80

	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// maxName is the length of a name of an object.
const maxName = 253

// ObjectName returns the name of the PrometheusRule of a group. It begins as KubeSphere 3.4's names do. A dot stands
// between namespace and group, which neither a namespace nor the numbered names of KubeSphere have, so that no two
// groups share a name.
func ObjectName(level, namespace, name string) string {
	var full string

	switch level {
	case alertingv2beta1.LevelNamespace:
		full = "alertrules-ns-" + namespace + "." + name
	case alertingv2beta1.LevelCluster:
		full = "alertrules-cl." + name
	default:
		full = "alertrules-gl." + name
	}

	if len(full) <= maxName {
		return full
	}

	const digits = 16

	sum := sha256.Sum256([]byte(full))
	head := strings.TrimRight(full[:maxName-digits-1], ".-")

	return head + "-" + hex.EncodeToString(sum[:digits/2])
}
