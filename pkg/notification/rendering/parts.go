package rendering

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

// part reads a part of a pod into a value, over what is in it. It is false where the part cannot be read.
func (r *renderer) part(field string, from *notificationv2beta2.PodPart, into any) bool {
	err := decode(from.Raw, into, true)
	if err == nil {
		return true
	}

	if name, unknown := unknownField(err); unknown {
		r.warn(field, UnknownField, fmt.Sprintf(
			"has a field %q that is not known here; it is left out: correct its name", name))

		err = decode(from.Raw, into, false)
	}

	if err != nil {
		r.report(field, describe(err)+"; write it as in the pod of a Deployment")
	}

	return err == nil
}

var errEmpty = errors.New("is empty")

// decode reads one JSON value.
func decode(raw []byte, into any, strictly bool) error {
	if text := bytes.TrimSpace(raw); len(text) == 0 || string(text) == "null" {
		return errEmpty
	}

	decoder := json.NewDecoder(bytes.NewReader(raw))
	if strictly {
		decoder.DisallowUnknownFields()
	}

	if err := decoder.Decode(into); err != nil {
		return err //nolint:wrapcheck // it is told by describe
	}

	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("is more than one value")
	}

	return nil
}

// unknownField is the name of a field that a type does not have, of the error that is of no type of its own.
func unknownField(err error) (string, bool) {
	name, found := strings.CutPrefix(err.Error(), "json: unknown field ")

	return strings.Trim(name, `"`), found
}

// describe says what is wrong without the words of the decoder, which are those of Go.
func describe(err error) string {
	if wrong, isType := errors.AsType[*json.UnmarshalTypeError](err); isType {
		if wrong.Field == "" {
			return "is a " + wrong.Value + " where something else is wanted"
		}

		return fmt.Sprintf("has a %s at %s where something else is wanted", wrong.Value, wrong.Field)
	}

	if errors.Is(err, errEmpty) {
		return err.Error()
	}

	return "cannot be read: " + err.Error()
}

// list reads parts of a pod that have names, each name once: of two with one name the later counts, as in a pod.
func list[T any](r *renderer, field string, parts []notificationv2beta2.PodPart, nameOf func(*T) *string) []T {
	made := make([]T, 0, len(parts))
	places := map[string]int{}

	for i := range parts {
		at := fmt.Sprintf("%s[%d]", field, i)

		var one T
		if !r.part(at, &parts[i], &one) {
			continue
		}

		name := nameOf(&one)
		if name == nil || *name == "" {
			r.report(at, "has no name; give it one")

			continue
		}

		if place, again := places[*name]; again {
			r.warn(at, Invalid, fmt.Sprintf(
				"is named %q like another one, in whose place it counts; name it otherwise", *name))

			made[place] = one

			continue
		}

		places[*name] = len(made)

		made = append(made, one)
	}

	return made
}
