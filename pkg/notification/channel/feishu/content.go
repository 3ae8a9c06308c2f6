package feishu

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/call"
	"github.com/ks-core/ks-controller-manager/pkg/notification/message"
)

// writing makes the messages of a notification, of either kind.
type writing struct {
	kind     string
	text     channel.Renderer
	keywords []string
}

// messages makes the messages. A rich text that cannot be made to fit, or is none, becomes a plain one: an alert in
// another form is better than none.
func (w writing) messages(data *message.Data) ([]channel.Message, error) {
	if w.kind == Text {
		return newForm(w.text, w.suffix(), call.Size).Messages(data)
	}

	form := newForm(w.text, "", w.postSize)
	form.Whole = true

	made, err := form.Messages(data)

	switch {
	case errors.Is(err, message.ErrTooLong):
		return newForm(flat{w.text}, w.suffix(), call.Size).Messages(data)
	case err != nil:
		return nil, err
	}

	return made, nil
}

func newForm(text channel.Renderer, suffix string, size func(any) int) channel.Form {
	return channel.Form{
		Text: text, Suffix: suffix, Limit: longest - reserve,
		Size: func(text string) int { return size(text) },
	}
}

// suffix are the keywords below a plain text: a robot takes only what has one of its own.
func (w writing) suffix() string {
	if len(w.keywords) == 0 {
		return ""
	}

	return "\n\n" + w.keywordLine()
}

func (w writing) keywordLine() string {
	return "[Keywords] " + strings.Join(w.keywords, ",")
}

// postSize is the size of a rich text as it is sent; what is none is measured as the plain text that it becomes.
func (w writing) postSize(text any) int {
	return call.Size(w.content(fmt.Sprint(text)))
}

// content is the part of a request that holds the message.
type content struct {
	Text string          `json:"text,omitempty"`
	Post map[string]post `json:"post,omitempty"`
}

// post is a rich text in one language: a title and paragraphs of elements, which are passed on as they are.
type post struct {
	Title   string              `json:"title"`
	Content [][]json.RawMessage `json:"content"`
}

// content reads what was rendered.
func (w writing) content(text string) content {
	if w.kind == Text {
		return content{Text: text}
	}

	posts, ok := parsePost(text)
	if !ok {
		return content{Text: strings.TrimSuffix(text, w.suffix()) + w.suffix()}
	}

	if len(w.keywords) > 0 {
		w.addKeywords(posts)
	}

	return content{Post: posts}
}

// addKeywords adds a paragraph with the keywords to the text in each language.
func (w writing) addKeywords(posts map[string]post) {
	line, err := call.Encode(map[string]string{"tag": "text", "text": w.keywordLine()})
	if err != nil {
		return
	}

	for language, one := range posts {
		one.Content = append(one.Content, []json.RawMessage{line})
		posts[language] = one
	}
}

// parsePost reads a rich text.
func parsePost(text string) (map[string]post, bool) {
	body, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return nil, false
	}

	var posts map[string]post
	if err := json.Unmarshal(body, &posts); err != nil || len(posts) == 0 {
		return nil, false
	}

	for _, one := range posts {
		if len(one.Content) == 0 {
			return nil, false
		}
	}

	return posts, true
}

// flat makes plain text of a rich one.
type flat struct {
	of channel.Renderer
}

// Render gives the title and the texts of the first language, line by line.
func (f flat) Render(data *message.Data) (string, error) {
	text, err := f.of.Render(data)
	if err != nil {
		return "", err
	}

	posts, ok := parsePost(text)
	if !ok {
		return text, nil
	}

	first := ""
	for language := range posts {
		if first == "" || language < first {
			first = language
		}
	}

	return posts[first].flat(), nil
}

func (p post) flat() string {
	lines := []string{p.Title}

	for _, paragraph := range p.Content {
		var line strings.Builder

		for _, raw := range paragraph {
			var element struct {
				Text string `json:"text"`
			}

			if err := json.Unmarshal(raw, &element); err == nil {
				line.WriteString(element.Text)
			}
		}

		lines = append(lines, line.String())
	}

	return strings.TrimSpace(strings.Join(lines, "\n"))
}
