package channeltest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonReply is an answer in JSON.
func jsonReply(status int, format string, values ...any) Reply {
	return Reply{
		Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: fmt.Sprintf(format, values...),
	}
}

// accept marks a call as a message that was taken.
func accept(call *Call, text string) {
	call.Text, call.Accepted = text, true
}

// Webhook is a program that takes everything.
func Webhook(clock func() time.Time) *Double {
	return newDouble(clock, webhook{})
}

type webhook struct{}

func (webhook) answer(_ *Double, call *Call) Reply {
	accept(call, string(call.Body))

	return Reply{Status: http.StatusOK}
}

// Slack takes messages with a bot's token.
func Slack(clock func() time.Time, token string) *Double {
	return newDouble(clock, slack{token: token})
}

type slack struct{ token string }

func (s slack) answer(_ *Double, call *Call) Reply {
	const longest = 40_000

	refuse := func(name string) Reply { return jsonReply(http.StatusOK, `{"ok":false,"error":%q}`, name) }

	var said struct {
		Channel string `json:"channel"`
		Text    string `json:"text"`
	}

	switch err := json.Unmarshal(call.Body, &said); {
	case !strings.HasSuffix(call.Path, "/chat.postMessage"):
		return refuse("unknown_method")
	case call.Header.Get("Authorization") != "Bearer "+s.token:
		return refuse("invalid_auth")
	case err != nil:
		return refuse("invalid_json")
	case said.Channel == "":
		return refuse("channel_not_found")
	case said.Text == "":
		return refuse("no_text")
	case utf8.RuneCountInString(said.Text) > longest:
		return refuse("msg_too_long")
	}

	accept(call, said.Text)

	return jsonReply(http.StatusOK, `{"ok":true,"channel":%q,"ts":"1.0"}`, said.Channel)
}

// Telegram takes messages with a bot's token.
func Telegram(clock func() time.Time, token string) *Double {
	return newDouble(clock, telegram{token: token})
}

type telegram struct{ token string }

func (t telegram) answer(_ *Double, call *Call) Reply {
	const longest = 4096

	refuse := func(status int, words string) Reply {
		return jsonReply(status, `{"ok":false,"error_code":%d,"description":%q}`, status, words)
	}

	var said struct {
		Chat string `json:"chat_id"` //nolint:tagliatelle // Telegram's name
		Text string `json:"text"`
	}

	switch err := json.Unmarshal(call.Body, &said); {
	case call.Path != "/bot"+t.token+"/sendMessage":
		return refuse(http.StatusUnauthorized, "Unauthorized")
	case err != nil, said.Chat == "":
		return refuse(http.StatusBadRequest, "Bad Request: chat not found")
	case said.Text == "":
		return refuse(http.StatusBadRequest, "Bad Request: message text is empty")
	case len(utf16.Encode([]rune(said.Text))) > longest:
		return refuse(http.StatusBadRequest, "Bad Request: message is too long")
	}

	accept(call, said.Text)

	return jsonReply(http.StatusOK, `{"ok":true,"result":{"message_id":1}}`)
}

// Discord takes messages at a webhook.
func Discord(clock func() time.Time) *Double {
	return newDouble(clock, discord{})
}

type discord struct{}

func (discord) answer(_ *Double, call *Call) Reply {
	const longestContent, longestEmbed = 2000, 4096

	refuse := func(code int, words string) Reply {
		return jsonReply(http.StatusBadRequest, `{"message":%q,"code":%d}`, words, code)
	}

	var said struct {
		Content string `json:"content"`
		Embeds  []struct {
			Description string `json:"description"`
		} `json:"embeds"`
	}

	if err := json.Unmarshal(call.Body, &said); err != nil {
		return refuse(50109, "The request body contains invalid JSON.")
	}

	texts := []string{said.Content}

	for _, one := range said.Embeds {
		if utf8.RuneCountInString(one.Description) > longestEmbed {
			return refuse(50035, "Invalid Form Body")
		}

		texts = append(texts, one.Description)
	}

	text := strings.Join(texts, "\n")

	switch {
	case strings.TrimSpace(text) == "":
		return refuse(50006, "Cannot send an empty message")
	case utf8.RuneCountInString(said.Content) > longestContent:
		return refuse(50035, "Invalid Form Body")
	}

	accept(call, text)

	return Reply{Status: http.StatusNoContent}
}

// Teams takes adaptive cards at the webhook of a workflow.
func Teams(clock func() time.Time) *Double {
	return newDouble(clock, teams{})
}

type teams struct{}

func (teams) answer(_ *Double, call *Call) Reply {
	const longest = 28 << 10

	var said struct {
		Type        string `json:"type"`
		Attachments []struct {
			ContentType string `json:"contentType"`
			Content     struct {
				Body []struct {
					Text string `json:"text"`
				} `json:"body"`
			} `json:"content"`
		} `json:"attachments"`
	}

	switch err := json.Unmarshal(call.Body, &said); {
	case len(call.Body) > longest:
		return Reply{Status: http.StatusRequestEntityTooLarge}
	case err != nil, said.Type != "message", len(said.Attachments) != 1,
		said.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive":
		return jsonReply(http.StatusBadRequest, `{"error":{"code":"TriggerInputSchemaMismatch"}}`)
	}

	var text strings.Builder
	for _, block := range said.Attachments[0].Content.Body {
		text.WriteString(block.Text + "\n")
	}

	accept(call, text.String())

	return Reply{Status: http.StatusAccepted}
}

// messageBody is what DingTalk and WeCom take in common.
type messageBody struct {
	Kind     string      `json:"msgtype"`
	Text     messageText `json:"text"`
	Markdown messageText `json:"markdown"`
}

type messageText struct {
	Text    string `json:"text"`
	Content string `json:"content"`
}

func (b messageBody) text() string {
	if b.Kind == "markdown" {
		return b.Markdown.Text + b.Markdown.Content
	}

	return b.Text.Content
}

func coded(code int, words string) Reply {
	return jsonReply(http.StatusOK, `{"errcode":%d,"errmsg":%q}`, code, words)
}

// DingTalk takes messages at a robot's webhook, with a signature if it has a secret, and those of an app.
func DingTalk(clock func() time.Time, appKey, appSecret, robotSecret string) *Double {
	return newDouble(clock, dingTalk{key: appKey, password: appSecret, robot: robotSecret})
}

type dingTalk struct{ key, password, robot string }

func (t dingTalk) answer(d *Double, call *Call) Reply {
	switch {
	case strings.HasSuffix(call.Path, "/gettoken"):
		if call.Query.Get("appkey") != t.key || call.Query.Get("appsecret") != t.password {
			return coded(40089, "invalid appkey or appsecret")
		}

		return jsonReply(http.StatusOK, `{"errcode":0,"access_token":%q,"expires_in":7200}`, d.issue())
	case strings.HasSuffix(call.Path, "/chat/send"):
		if !d.valid(call.Query.Get("access_token")) {
			return jsonReply(http.StatusOK, `{"errcode":88,"sub_code":"40014","errmsg":"invalid access_token %s"}`,
				call.Query.Get("access_token"))
		}

		return t.message(call, 5000)
	case strings.HasSuffix(call.Path, "/robot/send"):
		if t.robot != "" && !t.signed(d.clock(), call) {
			return coded(310000, "sign not match")
		}

		return t.message(call, 20_000)
	default:
		return coded(404, "unknown address")
	}
}

func (dingTalk) message(call *Call, longest int) Reply {
	var said messageBody

	switch err := json.Unmarshal(call.Body, &said); {
	case err != nil, said.text() == "":
		return coded(40035, "no message")
	case len(said.text()) > longest:
		return coded(460101, "message too long")
	}

	accept(call, said.text())

	return coded(0, "ok")
}

func (t dingTalk) signed(now time.Time, call *Call) bool {
	moment := call.Query.Get("timestamp")

	sum := hmac.New(sha256.New, []byte(t.robot))
	sum.Write([]byte(moment + "\n" + t.robot))

	milliseconds, err := strconv.ParseInt(moment, 10, 64)

	return err == nil && now.Sub(time.UnixMilli(milliseconds)).Abs() < time.Hour &&
		call.Query.Get("sign") == base64.StdEncoding.EncodeToString(sum.Sum(nil))
}

// WeCom takes messages at a robot's webhook, and those of an app.
func WeCom(clock func() time.Time, corpID, secret string) *Double {
	return newDouble(clock, weCom{corp: corpID, secret: secret})
}

type weCom struct{ corp, secret string }

func (t weCom) answer(d *Double, call *Call) Reply {
	switch {
	case strings.HasSuffix(call.Path, "/gettoken"):
		if call.Query.Get("corpid") != t.corp || call.Query.Get("corpsecret") != t.secret {
			return coded(40001, "invalid credential")
		}

		return jsonReply(http.StatusOK, `{"errcode":0,"errmsg":"ok","access_token":%q,"expires_in":7200}`, d.issue())
	case strings.HasSuffix(call.Path, "/message/send"):
		if !d.valid(call.Query.Get("access_token")) {
			return coded(42001, "access_token expired")
		}

		return t.message(call, 2048)
	case strings.HasSuffix(call.Path, "/webhook/send"):
		return t.message(call, 4096)
	default:
		return coded(404, "unknown address")
	}
}

func (weCom) message(call *Call, longest int) Reply {
	var said messageBody

	if strings.Contains(string(call.Body), `\u`) {
		return coded(40033, "escaped characters are not taken")
	}

	switch err := json.Unmarshal(call.Body, &said); {
	case err != nil, said.text() == "":
		return coded(44004, "empty content")
	case len(said.text()) > longest:
		return coded(45002, "content size out of limit")
	}

	accept(call, said.text())

	return coded(0, "ok")
}

// Feishu takes messages at a robot's webhook, with a signature if it has a secret, and those of an app.
func Feishu(clock func() time.Time, appID, appSecret, robotSecret string) *Double {
	return newDouble(clock, feishu{id: appID, password: appSecret, robot: robotSecret})
}

type feishu struct{ id, password, robot string }

type feishuBody struct {
	Timestamp string `json:"timestamp"`
	Sign      string `json:"sign"`
	Kind      string `json:"msg_type"` //nolint:tagliatelle // Feishu's name
	Content   struct {
		Text string          `json:"text"`
		Post json.RawMessage `json:"post"`
	} `json:"content"`
	ID     string `json:"app_id"`     //nolint:tagliatelle // Feishu's name
	Secret string `json:"app_secret"` //nolint:tagliatelle // Feishu's name
}

func (t feishu) answer(d *Double, call *Call) Reply {
	const longest = 20 << 10

	refuse := func(code int, words string) Reply {
		return jsonReply(http.StatusOK, `{"code":%d,"msg":%q,"data":{}}`, code, words)
	}

	var said feishuBody

	err := json.Unmarshal(call.Body, &said)

	switch {
	case err != nil, len(call.Body) > longest:
		return refuse(9499, "Bad Request")
	case strings.HasSuffix(call.Path, "/tenant_access_token/internal"):
		if said.ID != t.id || said.Secret != t.password {
			return refuse(10014, "app secret invalid")
		}

		return jsonReply(http.StatusOK, `{"code":0,"msg":"ok","tenant_access_token":%q,"expire":7200}`, d.issue())
	case strings.Contains(call.Path, "/batch_send"):
		if !d.valid(strings.TrimPrefix(call.Header.Get("Authorization"), "Bearer ")) {
			return refuse(99991663, "Invalid access token for authorization")
		}
	case strings.Contains(call.Path, "/hook/"):
		if t.robot != "" && !t.signed(d.clock(), said) {
			return refuse(19021, "sign match fail or timestamp is not within one hour from current time")
		}
	default:
		return Reply{Status: http.StatusNotFound}
	}

	if said.Content.Text == "" && len(said.Content.Post) == 0 {
		return refuse(19002, "params error, msg_type need")
	}

	accept(call, said.Content.Text+string(said.Content.Post))

	return jsonReply(http.StatusOK, `{"code":0,"msg":"success","data":{}}`)
}

func (t feishu) signed(now time.Time, said feishuBody) bool {
	sum := hmac.New(sha256.New, []byte(said.Timestamp+"\n"+t.robot))

	seconds, err := strconv.ParseInt(said.Timestamp, 10, 64)

	return err == nil && now.Sub(time.Unix(seconds, 0)).Abs() < time.Hour &&
		said.Sign == base64.StdEncoding.EncodeToString(sum.Sum(nil))
}
