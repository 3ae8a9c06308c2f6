// Package wecom sends messages to WeCom (WeChat Work): to people, departments and tags by an app of the company,
// and to the robot of a group by its webhook. A Receiver calls this channel wechat.
package wecom

import (
	"slices"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/call"
)

// The kinds of messages, as a Receiver names them.
const (
	// Text is plain text.
	Text = "text"
	// Markdown is WeCom's Markdown.
	Markdown = "markdown"
)

const (
	defaultURL = "https://qyapi.weixin.qq.com/cgi-bin/"
	// longest is how many bytes a message has at most, and longestRobotMarkdown those of a robot's Markdown
	// (vendor's documentation).
	longest              = 2048
	longestRobotMarkdown = 4096
)

// checkKind gives an error for what is no kind of message.
func checkKind(kind string) error {
	switch kind {
	case "", Text, Markdown:
		return nil
	default:
		return &channel.SettingError{Type: channel.WeCom, Field: "tmplType", Problem: `must be "text" or "markdown"`}
	}
}

type content struct {
	Content string   `json:"content"`
	Users   []string `json:"mentioned_list,omitempty"`        //nolint:tagliatelle // WeCom's name
	Mobiles []string `json:"mentioned_mobile_list,omitempty"` //nolint:tagliatelle // WeCom's name
}

// body is the part of a request that holds the message.
type body struct {
	Kind     string   `json:"msgtype"`
	Text     *content `json:"text,omitempty"`
	Markdown *content `json:"markdown,omitempty"`
}

func bodyOf(kind, text string) body {
	if kind == Markdown {
		return body{Kind: Markdown, Markdown: &content{Content: text}}
	}

	return body{Kind: Text, Text: &content{Content: text}}
}

type answer struct {
	Code    int    `json:"errcode"`
	Message string `json:"errmsg"`

	InvalidUsers   string `json:"invaliduser"`
	InvalidParties string `json:"invalidparty"`
	InvalidTags    string `json:"invalidtag"`
	Unlicensed     string `json:"unlicenseduser"`

	Token    string `json:"access_token"` //nolint:tagliatelle // WeCom's name
	Lifetime int    `json:"expires_in"`   //nolint:tagliatelle // WeCom's name
}

// limitWindow is the shortest time over which WeCom counts calls: a minute (vendor's documentation, as is that a
// robot may send 20 messages in it).
const limitWindow = time.Minute

// refusal is the error of an answer.
func (a answer) refusal(caller *call.Caller) error {
	class, wait := meanings().Of(a.Code), time.Duration(0)
	if class == channel.RateLimited {
		wait = limitWindow
	}

	return caller.Refusal(class, a.Code, wait, a.Message)
}

// meanings are the codes of the vendor's list of global codes that say what becomes of a message. -1 is a busy server,
// 6000 a conflict.
func meanings() call.Meanings {
	return call.Meanings{
		channel.RateLimited: {45009, 45033}, // too many calls, too many at once
		channel.Denied: {
			40001, 40013, 40014, 40056, 40057, 40091, // secret, company, access_token, agent
			41001, 41002, 41004, 42001, 42009, // access_token, company or secret missing, access_token expired
			48002, 48004, 60011, 60020, 301002, // no permission for the call, the app, from this address
			93000, // a robot's key
		},
		channel.Permanent: {
			40003, 40008, 40031, 40032, 40033, 40035, 40058, 40063, // people, form, parameters
			41011, 43004, 44004, 45002, 45008, 47001, // agent missing, form, empty, too long
			60111, 81013, 82001, 86001, 86003, 86004, // people, departments, tags, chats that do not exist
		},
	}
}

// tokenRefused says whether a code is that of an access token that is not valid, or not any more.
func tokenRefused(code int) bool {
	return slices.Contains([]int{40014, 41001, 42001, 42009}, code)
}
