package access

import (
	"fmt"
)

// Profile says how roles in namespaces look: as in which major release of KubeSphere.
type Profile string

// The profiles.
const (
	// ProfileAuto looks for RoleBases, which only 3.x has, and BuiltinRoles, which only 4.x has. A cluster without
	// either is like 4.x.
	ProfileAuto Profile = "auto"

	// ProfileV3 has native Roles under the names that people bind: admin, operator, viewer.
	ProfileV3 Profile = "v3"

	// ProfileV4 has Roles of the group iam.kubesphere.io, and native ones under kubesphere:iam:<name>.
	ProfileV4 Profile = "v4"
)

// ParseProfile reads what people write.
func ParseProfile(value string) (Profile, error) {
	switch profile := Profile(value); profile {
	case ProfileAuto, ProfileV3, ProfileV4:
		return profile, nil
	default:
		return "", fmt.Errorf("%q: want %s, %s or %s", value, ProfileAuto, ProfileV3, ProfileV4)
	}
}

// Shapes are the releases whose roles a cluster has. A cluster that was upgraded has both: people's bindings to the
// roles of the old one stay in force.
type Shapes struct{ V3, V4 bool }

// Resolve decides which shapes a cluster with so many RoleBases and BuiltinRoles gets.
func (p Profile) Resolve(roleBases, builtinRoles int) Shapes {
	switch p {
	case ProfileV3:
		return Shapes{V3: true}
	case ProfileV4:
		return Shapes{V4: true}
	case ProfileAuto:
	}

	return Shapes{V3: roleBases > 0, V4: builtinRoles > 0 || roleBases == 0}
}
