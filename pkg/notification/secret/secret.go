// Package secret keeps credentials from being shown: a secret prints, and is encoded, as a mark
// that says nothing of it.
package secret

// redacted stands for every secret, whatever it holds.
const redacted = "[redacted]"

// String is a text nobody may see. Reveal is the one way to it, so that whoever looks for leaks knows the word to
// look for.
type String struct {
	// text is behind a pointer: what prints the fields of a struct cannot call the methods of those that are not
	// exported, and prints an address.
	text *string
}

// New makes a secret of text.
func New(text string) String {
	if text == "" {
		return String{}
	}

	return String{text: &text}
}

// Reveal gives the text, to send it to whom it is for.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}

	return *s.text
}

// Empty says whether there is none.
func (s String) Empty() bool {
	return s.text == nil
}

// Equal says whether two secrets are the same text.
func (s String) Equal(other String) bool {
	return s.Reveal() == other.Reveal()
}

// String hides the text.
func (String) String() string {
	return redacted
}

// GoString hides the text from %#v.
func (String) GoString() string {
	return redacted
}

// MarshalJSON hides the text from whoever encodes what holds it.
func (String) MarshalJSON() ([]byte, error) {
	return []byte(`"` + redacted + `"`), nil
}
