package cleanup

import (
	"fmt"
	"slices"
	"strings"
)

// Row is a summary of what is done to the objects of one kind.
type Row struct {
	Action, Resource, What string
	Objects                []string
}

// Summarize tells of many steps in few rows, in the order of the steps.
func Summarize(steps []Step) []Row {
	var rows []Row

	for _, step := range steps {
		for _, row := range step.rows() {
			i := slices.IndexFunc(rows, func(other Row) bool {
				return other.Action == row.Action && other.Resource == row.Resource && other.What == row.What
			})
			if i < 0 {
				rows = append(rows, row)
			} else {
				rows[i].Objects = append(rows[i].Objects, row.Objects...)
			}
		}
	}

	return rows
}

// rows are what is done to one object.
func (s Step) rows() []Row {
	name := s.Name
	if s.Namespace != "" {
		name = s.Namespace + "/" + name
	}

	var rows []Row

	add := func(action string, what ...string) {
		for _, one := range what {
			rows = append(rows, Row{Action: action, Resource: s.Resource, What: one, Objects: []string{name}})
		}
	}

	add("take off finalizer", s.Finalizers...)

	if s.Frees() {
		add("take off owner", "Workspace")
	}

	add("take off label", s.Labels...)
	add("take off annotation", s.Annotations...)

	if s.Delete {
		add("delete", "")
	}

	return rows
}

// Examples names the first few objects of a row.
func (r Row) Examples(room int) string {
	if len(r.Objects) <= room {
		return strings.Join(r.Objects, ", ")
	}

	return fmt.Sprintf("%s and %d more", strings.Join(r.Objects[:room], ", "), len(r.Objects)-room)
}
