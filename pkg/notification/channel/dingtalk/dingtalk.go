// Package dingtalk sends messages to DingTalk: to the robot of a group by its webhook, and to conversations by an
// app of the company.
package dingtalk

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/call"
)

// The kinds of messages, as a Receiver names them.
const (
	// Text is plain text.
	Text = "text"
	// Markdown is DingTalk's Markdown, with a title.
	Markdown = "markdown"
)

const (
	defaultURL = "https://oapi.dingtalk.com/"
	// longestRobot and longestConversation are the bytes of a message: what DingTalk takes, less what stands
	// around it (contract).
	longestRobot        = 19_960
	longestConversation = 5_000
	// longestTitle is how many characters of a title are sent (vendor's documentation of error 34016).
	longestTitle = 64
	// defaultTitle is what stands where a Markdown message has no title; DingTalk does not take one without.
	defaultTitle = "Alerts"
)

// checkKind gives an error for what is no kind of message.
func checkKind(kind string) error {
	switch kind {
	case "", Text, Markdown:
		return nil
	default:
		return &channel.SettingError{
			Type: channel.DingTalk, Field: "tmplType", Problem: `must be "text" or "markdown"`,
		}
	}
}

type textBody struct {
	Content string `json:"content"`
}

type markdownBody struct {
	Title string `json:"title"`
	Text  string `json:"text"`
}

// body is the part of a request that holds the message.
type body struct {
	Kind     string        `json:"msgtype"`
	Text     *textBody     `json:"text,omitempty"`
	Markdown *markdownBody `json:"markdown,omitempty"`
}

func bodyOf(kind string, one channel.Message) body {
	if kind != Markdown {
		return body{Kind: Text, Text: &textBody{Content: one.Text}}
	}

	title := one.Title
	if title == "" {
		title = defaultTitle
	}

	return body{Kind: Markdown, Markdown: &markdownBody{Title: title, Text: one.Text}}
}

// answer is what DingTalk says. Its gate says it in another form where there are too many calls: with a status, a
// punishment, and sometimes no error code.
type answer struct {
	Code    int     `json:"errcode"`
	Message string  `json:"errmsg"`
	SubCode code    `json:"sub_code"` //nolint:tagliatelle // DingTalk's name
	Status  int     `json:"status"`
	Punish  string  `json:"punish"`
	Wait    float64 `json:"wait"`

	Token    string `json:"access_token"` //nolint:tagliatelle // DingTalk's name
	Lifetime int    `json:"expires_in"`   //nolint:tagliatelle // DingTalk's name
}

// code is a number that may stand in quotes.
type code int

// UnmarshalJSON reads a number with or without quotes; what is neither is none.
func (c *code) UnmarshalJSON(text []byte) error {
	number, err := strconv.Atoi(strings.Trim(string(text), `"`))
	if err != nil {
		number = 0
	}

	*c = code(number)

	return nil
}

// failed says whether the answer is a refusal.
func (a answer) failed() bool {
	return a.Code != 0 || a.Status != 0
}

// number is the code that counts: with 88 it is the one below.
func (a answer) number() int {
	const authorization = 88

	if a.Code == authorization && a.SubCode != 0 {
		return int(a.SubCode)
	}

	return a.Code
}

// refusal is the error of an answer.
func (a answer) refusal(caller *call.Caller) error {
	words := a.Message
	if words == "" && a.Punish != "" {
		words = "too many calls, punished with " + a.Punish
	}

	class := a.class()

	wait := call.Seconds(a.Wait)
	if class == channel.RateLimited {
		wait = max(wait, limitWindow)
	}

	return caller.Refusal(class, a.number(), wait, words)
}

// limitWindow is the time over which DingTalk counts what a robot sends: 20 messages a minute (vendor's
// documentation). It says that who sends more is shut out for ten minutes; who asks each minute is back first.
const limitWindow = time.Minute

// meanings are the codes that say what becomes of a message. Where no other source is named it is the list of global
// codes in the vendor's documentation. -1 is a busy server, 34015 a message that was not sent.
func meanings() call.Meanings {
	return call.Meanings{
		channel.RateLimited: {
			0,              // only a status: the gate's form (contract)
			130101, 410100, // a robot's 20 messages a minute (the first observed, both contract)
			// Too many calls of an app, an address, a company.
			90001, 90002, 90003, 90004, 90005, 90006, 90007, 90008, 90009,
			90010, 90011, 90012, 90013, 90014, 90015, 90016, 90017, 90018,
		},
		channel.Denied: {
			40001, 40014, 41001, 42001, // the access token
			40089, 60011, 60020, // appkey or appsecret, no permission, not from this address
			300001, // a robot's access_token (contract)
			robotSecurity,
		},
		channel.Permanent: {
			34001, 34004, 34006, 34007, 34012, 34013, 34014, 34016, // conversation, sender, form, length
			40008, 40035, 43004, 400002, 400101, 460101, // form, and what robots do not take (observed)
		},
	}
}

// robotSecurity is the code of what a robot's security settings refuse: sign, address, keyword.
const robotSecurity = 310000

// class says what becomes of the message.
func (a answer) class() channel.Class {
	number := a.number()
	if number == robotSecurity && strings.Contains(strings.ToLower(a.Message), "keyword") {
		return channel.Permanent
	}

	return meanings().Of(number)
}

// tokenRefused says whether a code is that of an access token that is not valid, or not any more.
func tokenRefused(number int) bool {
	return slices.Contains([]int{40001, 40014, 41001, 42001}, number)
}
