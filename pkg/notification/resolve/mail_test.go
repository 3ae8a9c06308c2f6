package resolve

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ks-core/ks-controller-manager/pkg/notification/channel"
	"github.com/ks-core/ks-controller-manager/pkg/notification/channel/email"
	"github.com/ks-core/ks-controller-manager/pkg/notification/egress"
)

// office is a mail server that never takes b@example.com, and keeps who is named.
type office struct {
	mutex sync.Mutex
	named []string
}

// open makes it listen, and gives its port.
func (o *office) open(t *testing.T) string {
	t.Helper()

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { _ = listener.Close() })

	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}

			go o.serve(client)
		}
	}()

	_, port, _ := net.SplitHostPort(listener.Addr().String())

	return port
}

func (o *office) serve(client net.Conn) {
	defer func() { _ = client.Close() }()

	say := func(line string) { _, _ = fmt.Fprintf(client, "%s\r\n", line) }
	say("220 office")

	inMail := false

	for lines := bufio.NewScanner(client); lines.Scan(); {
		line := lines.Text()

		switch {
		case inMail:
			if line == "." {
				inMail = false

				say("250 taken")
			}
		case strings.HasPrefix(line, "RCPT"):
			say(o.name(line))
		case strings.HasPrefix(line, "DATA"):
			inMail = true

			say("354 go on")
		default:
			say("250 yes")
		}
	}
}

func (o *office) name(line string) string {
	o.mutex.Lock()
	defer o.mutex.Unlock()

	address, _, _ := strings.Cut(strings.TrimPrefix(line, "RCPT TO:<"), ">")
	o.named = append(o.named, address)

	if address == "b@example.com" {
		return "450 later"
	}

	return "250 yes"
}

// take gives who was named since the last call.
func (o *office) take() []string {
	o.mutex.Lock()
	defer o.mutex.Unlock()

	taken := o.named
	o.named = nil

	return taken
}

// A mail that one recipient is still to get does not come to the others again because something was edited; and what
// is tried counts for nothing.
func TestMailAfterAnEdit(t *testing.T) {
	post := &office{}
	w := newWorld(t)
	w.manager = read1[notificationManagerSpec](t, managerYAML+"delivery: {egress: {allow: [127.0.0.0/8]}}\n")
	w.config(t, `{metadata: {name: m, labels: {type: default}},
spec: {email: {from: x@example.com, smartHost: {host: 127.0.0.1, port: `+post.open(t)+`}}}}`)

	in := Input{
		Manager: w.manager, Configs: w.configs, Sources: w.sources(), Stack: egress.New(egress.Options{}),
		Clock: time.Now, Random: rand.Reader, Mails: email.NewMemory(),
	}
	one := func(name string) string {
		return `{metadata: {name: ` + name + `, labels: {type: global}},
spec: {email: {to: [a@example.com, b@example.com]}}}`
	}

	all, others := []string{"a@example.com", "b@example.com"}, []string{"b@example.com"}

	for _, step := range []struct {
		name, receiver string
		trial          bool
		want           []string
	}{
		{"tried", "r", true, all},
		{"sent", "r", false, all},
		{"sent after an edit", "r", false, others},
		{"tried after it was sent", "r", true, all},
		{"another Receiver", "other", false, all},
	} {
		platform, _ := New(in) // as after an edit
		if step.trial {
			platform = platform.Trial()
		}

		result := platform.Receiver(read1[receiverObject](t, one(step.receiver)), 0)
		if len(result.Findings) > 0 {
			t.Fatal(result.Findings)
		}

		message := channel.Message{Title: "Down", Text: "It is down."}
		if err := result.Receiver.Targets[0].Channel.Send(t.Context(), message); err == nil {
			t.Errorf("%s: all have it", step.name)
		}

		if diff := cmp.Diff(step.want, post.take()); diff != "" {
			t.Errorf("%s: named are %s", step.name, diff)
		}
	}
}
