package aggregation

import (
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	iamv1beta1 "github.com/ks-core/ks-controller-manager/api/iam/v1beta1"
	"github.com/ks-core/ks-controller-manager/pkg/tenancy"
)

// maxNote is how long the note on a role may get. All annotations of an object together may have four times that.
const maxNote = 64 << 10

// Sources are what a role can be made of, as far as it is there.
type Sources struct {
	// Templates are the rules of role templates by name: those that the role names and those that it selects.
	Templates map[string][]rbacv1.PolicyRule

	// Roles are the roles of the same kind that serve as templates, by name, and those that these name in turn.
	Roles map[string]Role
}

// Result is what becomes of a role.
type Result struct {
	// Rules are the author's own, in their order, and behind them what was added, sorted.
	Rules []rbacv1.PolicyRule

	// Note is the value of Annotation. Nil: the role needs none.
	Note *string

	// Changed tells whether the role has to be written.
	Changed bool

	// Loses tells whether a rule that the role has would go.
	Loses bool

	// Missing names what the role asks for and is not there, sorted.
	Missing []string

	// Problems are what the author has to change.
	Problems tenancy.Problems
}

// Aggregate computes the rules of a role from its own and its sources.
//
// Its own are those that the note does not list. A role without a note comes from KubeSphere, which added rules
// and never noted it, or from its author: a template of which every rule is in the role counts as added. The same
// goes for a template that was missing then.
//
// Of roles that serve as templates their own rules count, and those of the roles that these name, however long the
// chain: a circle of roles comes to rest, and is reported.
func Aggregate(role Role, sources Sources) (Result, error) {
	wanted := WantedBy(role)
	named := resolve(role.Name, wanted, sources)
	result := Result{Missing: named.missing, Problems: append(wanted.Problems, named.problems...)}

	own, awaited := ownRules(role, named)
	added := minus(setOf(slices.Collect(maps.Values(named.rules))...).sorted(), setOf(own))
	result.Rules = append(slices.Clip(own), added...)

	// Once there is a note it stays: without it, a template that is named again would count as added long ago.
	if _, isNoted := parseNote(role.Annotations); isNoted || wanted.Anything() {
		text, err := note{Rules: added, Awaited: awaited}.String()
		if err != nil {
			return Result{}, err
		}

		if len(text) > maxNote {
			return tooMany(role, result), nil
		}

		result.Note = &text
	}

	result.Loses = len(minus(role.Rules, setOf(result.Rules))) > 0
	result.Changed = !Same(role.Rules, result.Rules) || !hasNote(role.Annotations, result.Note)

	return result, nil
}

// tooMany leaves a role as it is.
func tooMany(role Role, result Result) Result {
	result.Rules, result.Note, result.Changed, result.Loses = role.Rules, nil, false, false
	result.Problems = append(result.Problems, tenancy.Problem{
		Reason: ReasonTooManyRules,
		Err: field.Invalid(field.NewPath("aggregationRoleTemplates"), "",
			"adds more rules than can be kept track of: let the role aggregate fewer templates"),
	})

	return result
}

func hasNote(annotations map[string]string, text *string) bool {
	written, found := annotations[Annotation]
	if text == nil {
		return !found
	}

	return found && written == *text
}

// ownRules returns the rules that the author of the role wrote, and the templates that are still awaited.
func ownRules(role Role, named resolved) ([]rbacv1.PolicyRule, []string) {
	noted, isNoted := parseNote(role.Annotations)
	written := setOf(role.Rules)
	added := setOf(noted.Rules)

	for name, rules := range named.rules {
		if isNoted && !slices.Contains(noted.Awaited, name) || !written.contains(rules) {
			continue
		}

		maps.Copy(added, setOf(rules))
	}

	awaited := named.missing
	if isNoted {
		awaited = slices.DeleteFunc(slices.Clone(awaited), func(name string) bool {
			return !slices.Contains(noted.Awaited, name)
		})
	}

	return minus(role.Rules, added), awaited
}

// resolved are the rules of each source of a role, and what was not found.
type resolved struct {
	rules    map[string][]rbacv1.PolicyRule
	missing  []string
	problems tenancy.Problems
}

// The kinds of sources, before their names.
const (
	templatePrefix = "RoleTemplate "
	rolePrefix     = "role "
)

func resolve(self string, wanted Wanted, sources Sources) resolved {
	found := resolved{rules: map[string][]rbacv1.PolicyRule{}}

	for name, rules := range sources.Templates {
		found.rules[templatePrefix+name] = rules
	}

	for _, name := range wanted.Templates {
		if _, exists := sources.Templates[name]; !exists {
			found.missing = append(found.missing, templatePrefix+name)
		}
	}

	found.follow(self, wanted.Roles, sources)
	slices.Sort(found.missing)

	return found
}

// follow collects the roles that are named, and those that they name.
func (r *resolved) follow(self string, names []string, sources Sources) {
	via := map[string]string{}
	for _, name := range names {
		via[name] = name
	}

	for open := slices.Clone(names); len(open) > 0; open = open[1:] {
		name := open[0]
		if name == self {
			r.problems = append(r.problems, loop(via[name]))

			continue
		}

		role, exists := sources.Roles[name]
		if !exists {
			r.missing = append(r.missing, rolePrefix+name)

			continue
		}

		noted, _ := parseNote(role.Annotations)
		r.rules[rolePrefix+name] = minus(role.Rules, setOf(noted.Rules))

		for _, next := range WantedBy(role).Roles {
			if _, seen := via[next]; !seen {
				via[next] = via[name]
				open = append(open, next)
			}
		}
	}
}

func loop(through string) tenancy.Problem {
	path := field.NewPath("metadata", "annotations").Key(iamv1beta1.AggregationRolesAnnotation)

	return tenancy.Problem{Reason: ReasonRoleLoop, Err: field.Invalid(path, through,
		"leads back to the role itself: remove one name of the circle")}
}

// MissingMessage says what is missing, in one line.
func MissingMessage(missing []string) string {
	return "There is no " + strings.Join(missing, ", no ") + ": create it, or remove its name from the role"
}
