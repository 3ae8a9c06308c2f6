package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"k8s.io/klog/v2"
)

// reply is the answer of the contract.
type reply struct {
	Status  int    `json:"Status"`  //nolint:tagliatelle // the contract has it so
	Message string `json:"Message"` //nolint:tagliatelle // the same
}

// answer writes a reply.
func answer(writer http.ResponseWriter, status int, message string) {
	writeJSON(writer, status, reply{Status: status, Message: message}, false)
}

// again asks the client to come again.
func again(writer http.ResponseWriter, after time.Duration, message string) {
	writer.Header().Set("Retry-After", strconv.Itoa(int(after.Seconds())))
	answer(writer, http.StatusServiceUnavailable, message)
}

// show writes something for people to read.
func show(writer http.ResponseWriter, value any) {
	writeJSON(writer, http.StatusOK, value, true)
}

func writeJSON(writer http.ResponseWriter, status int, value any, indented bool) {
	writer.Header().Set("Content-Type", "application/json")
	writer.Header().Set("X-Content-Type-Options", "nosniff")
	writer.WriteHeader(status)

	encoder := json.NewEncoder(writer)
	encoder.SetEscapeHTML(false)

	if indented {
		encoder.SetIndent("", "  ")
	}

	if err := encoder.Encode(value); err != nil { // the client has gone
		klog.Background().V(4).Info("Could not answer", "err", err.Error())
	}
}

// maxBody is how large a body may be: some ten thousand alerts, for what is refused as too large Alertmanager posts
// again only when its group changes.
const maxBody = 16 << 20

// body reads what a client sends. It answers itself where that is too much or cannot be read.
func body(writer http.ResponseWriter, request *http.Request) ([]byte, bool) {
	text, err := io.ReadAll(http.MaxBytesReader(writer, request.Body, maxBody))

	var large *http.MaxBytesError

	switch {
	case err == nil:
		return text, true
	case errors.As(err, &large):
		answer(writer, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes: send fewer "+
			"alerts at once: have Alertmanager group them by more labels", maxBody))
	default:
		answer(writer, http.StatusBadRequest, "the body could not be read: "+err.Error())
	}

	return nil, false
}

// shown is the beginning of what a client wrote, without what no reader sees.
func shown(text string) string {
	const most = 100

	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}

		return '?'
	}, text))

	if len(runes) > most {
		return string(runes[:most]) + "..."
	}

	return string(runes)
}
