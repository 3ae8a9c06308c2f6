package rulefiles

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	extension = ".yaml"

	// separator stands in no name of a namespace or an object, so that no two objects share a file.
	separator = "_"

	// maxFileName is the longest name that every file system takes, less what a temporary file adds to it.
	maxFileName = 240
)

// FileName returns the name of the file of an object. One that would be too long ends in a digest, after a second
// separator that no short one has.
func FileName(object Object) (string, error) {
	if problems := validation.IsDNS1123Label(object.Namespace); len(problems) > 0 {
		return "", fmt.Errorf("the namespace %q is no name: %s", object.Namespace, strings.Join(problems, "; "))
	}

	if problems := validation.IsDNS1123Subdomain(object.Name); len(problems) > 0 {
		return "", fmt.Errorf("%q is no name: %s", object.Name, strings.Join(problems, "; "))
	}

	full := object.Namespace + separator + object.Name
	if len(full)+len(extension) <= maxFileName {
		return full + extension, nil
	}

	const bytes = 16

	sum := sha256.Sum256([]byte(full))
	end := separator + hex.EncodeToString(sum[:bytes]) + extension

	return full[:maxFileName-len(end)] + end, nil
}
