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

// Set reads what people write; with String and Type a Profile is a flag.
func (p *Profile) Set(value string) error {
	switch profile := Profile(value); profile {
	case ProfileAuto, ProfileV3, ProfileV4:
		*p = profile

		return nil
	default:
		return fmt.Errorf("want %s, %s or %s", ProfileAuto, ProfileV3, ProfileV4)
	}
}

// String returns the profile as it is written.
func (p *Profile) String() string { return string(*p) }

// Type names the kind of value in help.
func (*Profile) Type() string { return "profile" }

// Shapes are the releases whose roles a cluster has. A cluster that was upgraded has both: people's bindings to the
// roles of the old one stay in force.
type Shapes struct{ V3, V4 bool }

// Resolve decides which shapes a cluster with so many RoleBases and BuiltinRoles gets.
func Resolve(profile Profile, roleBases, builtinRoles int) Shapes {
	switch profile {
	case ProfileV3:
		return Shapes{V3: true}
	case ProfileV4:
		return Shapes{V4: true}
	case ProfileAuto:
	}

	return Shapes{V3: roleBases > 0, V4: builtinRoles > 0 || roleBases == 0}
}
