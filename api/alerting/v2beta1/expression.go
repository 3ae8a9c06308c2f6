package v2beta1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Expression is a query in PromQL. In JSON it is a string or, as KubeSphere 3.4 takes it too, a whole number; it is
// written as a string.
type Expression string

// greatestExact is the greatest number up to which floating point has all whole ones.
const greatestExact = 1<<53 - 1

// MarshalJSON writes a string.
func (e Expression) MarshalJSON() ([]byte, error) {
	content, err := json.Marshal(string(e))
	if err != nil {
		return nil, fmt.Errorf("marshal an expression: %w", err)
	}

	return content, nil
}

// UnmarshalJSON takes a string or a number. The schema lets whole numbers pass, and some that are it nearly: one that
// was refused here would keep a client from reading any object of its kind, so these are taken as they are written.
func (e *Expression) UnmarshalJSON(content []byte) error {
	content = bytes.TrimSpace(content)

	if bytes.Equal(content, []byte("null")) {
		return nil // as all types of the standard library do
	}

	if bytes.HasPrefix(content, []byte(`"`)) {
		var text string
		if err := json.Unmarshal(content, &text); err != nil {
			return fmt.Errorf("expr: %w", err)
		}

		*e = Expression(text)

		return nil
	}

	var number json.Number
	if err := json.Unmarshal(content, &number); err != nil {
		return errors.New("expr: must be a string with PromQL, or a whole number; put it into quotes")
	}

	*e = Expression(withoutExponent(number))

	return nil
}

// withoutExponent writes a whole number with its digits alone, as 1000 for 1e3, and leaves any other as it is.
func withoutExponent(number json.Number) string {
	if whole, err := number.Int64(); err == nil {
		return strconv.FormatInt(whole, 10)
	}

	value, err := number.Float64()
	if err != nil || value != math.Trunc(value) || math.Abs(value) > greatestExact {
		return number.String()
	}

	return strconv.FormatInt(int64(value), 10)
}
