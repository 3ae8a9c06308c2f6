// Package feishu sends messages to Feishu (Lark): to people and departments by an app of the company, and to the
// robot of a group by its webhook.
package feishu

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/call"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
)

// The kinds of messages, as a Receiver names them.
const (
	// Text is plain text.
	Text = "text"
	// Post is a rich text: an object in JSON, or in YAML.
	Post = "post"
)

const (
	defaultURL = "https://open.feishu.cn"
	// longest is how many bytes the body of a request to a robot may have (vendor's documentation); an app's may be
	// longer, but a message that long is not read.
	longest = 20_000
	// reserve is what stands around the text: kind, signature, moment.
	reserve = 500
)

// checkKind gives an error for what is no kind of message.
func checkKind(kind string) error {
	switch kind {
	case "", Text, Post:
		return nil
	default:
		return &channel.SettingError{Type: channel.Feishu, Field: "tmplType", Problem: `must be "text" or "post"`}
	}
}

type answer struct {
	Code    int    `json:"code"`
	Message string `json:"msg"`

	Token    string `json:"tenant_access_token"` //nolint:tagliatelle // Feishu's name
	Lifetime int    `json:"expire"`

	Data struct {
		InvalidUsers       []string `json:"invalid_user_ids"`       //nolint:tagliatelle // Feishu's name
		InvalidDepartments []string `json:"invalid_department_ids"` //nolint:tagliatelle // Feishu's name
	} `json:"data"`
}

// limitWindow is the shortest time over which Feishu counts calls: a second (vendor's documentation: 5 a second,
// and 100 a minute).
const limitWindow = time.Second

// refusal is the error of an answer.
func (a answer) refusal(caller *call.Caller, got *egress.Answer) error {
	class := a.class(got.Status)

	wait := caller.RetryAfter(got)
	if class == channel.RateLimited {
		wait = max(wait, reset(got.Header), limitWindow)
	}

	return caller.Refusal(class, a.Code, wait, a.Message)
}

// reset is how long the gate asks to be left alone (vendor's documentation).
func reset(header http.Header) time.Duration {
	seconds, err := strconv.ParseFloat(header.Get("X-Ogw-Ratelimit-Reset"), 64)
	if err != nil {
		return 0
	}

	return call.Seconds(seconds)
}

// meanings are the codes of the vendor's documentation that say what becomes of a message.
func meanings() call.Meanings {
	return call.Meanings{
		channel.RateLimited: {
			11232, 230020, 99991400, // the message service's limit, a chat's, the gate's
			ambiguous,
		},
		channel.Denied: {
			10003, 10014, // an app's id and secret
			19001, 19021, 19022, // a robot's URL, signature, addresses
			99991661, 99991663, 99991664, 99991665, 99991668, 99991671, 99991672, // tokens, permissions
		},
		channel.Permanent: {
			19002, 19024, 19036, // a robot's parameters, keyword, size
			230001, 230002, 230013, 230025, // parameters, not in the chat, not in reach of the app, size
		},
	}
}

// ambiguous is the code of too many calls (contract), and also of a body that is not understood (documented).
const ambiguous = 9499

// class says what becomes of the message.
func (a answer) class(status int) channel.Class {
	if a.Code == ambiguous && strings.Contains(strings.ToLower(a.Message), "bad request") {
		return channel.Permanent
	}

	if status == http.StatusTooManyRequests {
		return channel.RateLimited
	}

	return meanings().Of(a.Code)
}

// tokenRefused says whether a code is that of an access token that is not valid, or not any more.
func tokenRefused(code int) bool {
	return slices.Contains([]int{99991661, 99991663, 99991664, 99991665, 99991668, 99991671}, code)
}
