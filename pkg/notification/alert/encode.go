package alert

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// format is the first byte of an encoded alert. A store written by a later version is told by it.
const format = 1

// ErrFormat is an encoded alert that no version known here wrote, or that was cut.
var ErrFormat = errors.New("is no encoded alert")

// Append encodes an alert at the end of buffer: the form in which stores keep it.
func Append(buffer []byte, a *Alert) []byte {
	buffer = append(buffer, format, byte(a.Status))
	buffer = appendTime(buffer, a.StartsAt)
	buffer = appendTime(buffer, a.EndsAt)
	buffer = appendText(buffer, a.GeneratorURL)
	buffer = appendLabels(buffer, a.Labels)

	return appendLabels(buffer, a.Annotations)
}

func appendTime(buffer []byte, at time.Time) []byte {
	if at.IsZero() {
		return binary.AppendVarint(buffer, 0)
	}

	return binary.AppendVarint(buffer, at.UnixNano())
}

func appendText(buffer []byte, text string) []byte {
	buffer = binary.AppendUvarint(buffer, uint64(len(text)))

	return append(buffer, text...)
}

func appendLabels(buffer []byte, set labels.Labels) []byte {
	buffer = binary.AppendUvarint(buffer, uint64(set.Len())) //nolint:gosec // no count is negative

	set.Range(func(label labels.Label) {
		buffer = appendText(buffer, label.Name)
		buffer = appendText(buffer, label.Value)
	})

	return buffer
}

// Read decodes one alert and gives what follows it.
func Read(encoded []byte) (Alert, []byte, error) {
	if len(encoded) < 2 || encoded[0] != format || encoded[1] > byte(Resolved) {
		return Alert{}, nil, ErrFormat
	}

	r := reader{rest: encoded[2:]}
	a := Alert{Status: Status(encoded[1])}
	a.StartsAt = r.time()
	a.EndsAt = r.time()
	a.GeneratorURL = r.text()
	a.Labels = r.labels()
	a.Annotations = r.labels()

	return a, r.rest, r.err
}

// reader takes an encoded alert apart; after its first error it gives nothing.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: cut within %s", ErrFormat, what)
	}

	r.rest = nil
}

func (r *reader) time() time.Time {
	nanoseconds, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail("a time")

		return time.Time{}
	}

	r.rest = r.rest[n:]

	if nanoseconds == 0 {
		return time.Time{}
	}

	return time.Unix(0, nanoseconds).UTC()
}

func (r *reader) count(what string) int {
	count, n := binary.Uvarint(r.rest)
	if n <= 0 || count > uint64(len(r.rest)) { // each counted thing takes a byte or more
		r.fail(what)

		return 0
	}

	r.rest = r.rest[n:]

	return int(count) //nolint:gosec // no more than the length of rest
}

func (r *reader) text() string {
	size := r.count("a text")
	if size > len(r.rest) {
		r.fail("a text")

		return ""
	}

	text := string(r.rest[:size])
	r.rest = r.rest[size:]

	return text
}

func (r *reader) labels() labels.Labels {
	count := r.count("labels")
	builder := labels.NewScratchBuilder(count)

	for range count {
		name, value := r.text(), r.text()
		if r.err != nil {
			return labels.EmptyLabels()
		}

		builder.Add(name, value)
	}

	builder.Sort()

	return builder.Labels()
}
