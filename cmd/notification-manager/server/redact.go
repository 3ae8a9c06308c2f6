package server

import (
	"reflect"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
)

// redacted stands for what is not shown.
const redacted = "[redacted]"

// redactedReceiver is a Receiver's spec without credentials: those it holds, and URLs, which may hold some.
func redactedReceiver(spec *notificationv2beta2.ReceiverSpec) *notificationv2beta2.ReceiverSpec {
	shown := spec.DeepCopy()
	redact(reflect.ValueOf(shown))

	return shown
}

// redactedConfig is a Config's spec without credentials.
func redactedConfig(spec *notificationv2beta2.ConfigSpec) *notificationv2beta2.ConfigSpec {
	shown := spec.DeepCopy()
	redact(reflect.ValueOf(shown))

	return shown
}

func redact(value reflect.Value) {
	visit(value, func(one reflect.Value) {
		switch of := one.Addr().Interface().(type) {
		case *notificationv2beta2.Credential:
			hide(&of.Value)
		case *notificationv2beta2.WebhookReceiver:
			if of.URL != nil {
				*of.URL = address(*of.URL)
			}
		case *notificationv2beta2.HTTPClientConfig:
			of.ProxyURL = address(of.ProxyURL)
		case *notificationv2beta2.APIAddress:
			of.APIURL = address(of.APIURL)
		case *notificationv2beta2.WechatConfig:
			of.WechatAPIURL = address(of.WechatAPIURL)
		case *notificationv2beta2.HuaweiSMS:
			of.URL = address(of.URL)
		case *notificationv2beta2.ServiceReference:
			if of.Path != nil { // some robots have their token in it
				hide(of.Path)
			}
		case *notificationv2beta2.PushoverUserProfile:
			hide(&of.UserKey)
		}
	})
}

func hide(text *string) {
	if *text != "" {
		*text = redacted
	}
}

// address is the scheme and the host of a URL.
func address(text string) string {
	if text == "" {
		return ""
	}

	endpoint, err := egress.ParseEndpoint(text)
	if err != nil {
		return redacted
	}

	return endpoint.String() + "/" + redacted
}
