package migration

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"
)

// defaultGroup is what KubeSphere 3.3 calls its groups, with a number.
const defaultGroup = "alerting.custom.defaults."

const (
	maxName = 253 // of an object
	maxSlug = 40  // of what is kept of a group's name
)

// nameOf returns the name of what is made of a part of a group: it depends on the name of the PrometheusRule and of the
// group alone, so that the order of groups does not count. A group that KubeSphere made is known by its number. What of
// others cannot stand in a name is made up for by digits.
func nameOf(object, group string, ordinal, part int) string {
	number, isDefault := strings.CutPrefix(group, defaultGroup)
	if isDefault && isNumber(number) && ordinal == 0 {
		return shorten(object, "-"+number+suffix(part))
	}

	return shorten(object, "-"+slug(group)+"-"+digest(group, strconv.Itoa(ordinal))+suffix(part))
}

// suffix is that of a part but the first.
func suffix(part int) string {
	if part == 0 {
		return ""
	}

	return "-part" + strconv.Itoa(part+1)
}

// isNumber tells whether a text is a number as KubeSphere writes them.
func isNumber(text string) bool {
	const digits = 9

	number, err := strconv.ParseUint(text, 10, 32)

	return err == nil && len(text) <= digits && strconv.FormatUint(number, 10) == text
}

func slug(group string) string {
	kept := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(group), "-")
	kept = strings.Trim(kept[:min(len(kept), maxSlug)], "-")

	if kept == "" {
		return "group"
	}

	return kept
}

// shorten makes room for what tells the parts of an object apart.
func shorten(object, tail string) string {
	if len(object)+len(tail) <= maxName {
		return object + tail
	}

	mark := "-" + digest(object)
	head := strings.TrimRight(object[:maxName-len(mark)-len(tail)], ".-")

	return head + mark + tail
}

func digest(texts ...string) string {
	const enough = 4

	sum := sha256.Sum256([]byte(strings.Join(texts, "\x00")))

	return hex.EncodeToString(sum[:enough])
}
