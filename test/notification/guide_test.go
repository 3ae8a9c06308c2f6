package notification_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	notificationv2beta2 "github.com/ks-core/ks-controller-manager/api/notification/v2beta2"
)

// TestGuide does what the guide says to do for a first mail: its objects, its commands and its alert, as they stand
// there but for ports and folders.
func TestGuide(t *testing.T) {
	if unprepared != nil {
		t.Fatal(unprepared)
	}

	content, err := os.ReadFile(root + "/docs/guides/notification.md")
	if err != nil {
		t.Fatal(err)
	}

	box := &mailbox{}
	w := &world{
		tb: t, name: "notification-manager", program: filepath.Join(folder, "notification-manager"),
		data: t.TempDir(), log: filepath.Join(t.TempDir(), "log"), address: freeAddress(t),
	}
	objects := filepath.Join(t.TempDir(), "first-mail.yaml")
	guide := strings.NewReplacer(
		"port: 1025", "port: "+strconv.FormatInt(box.serve(t), 10), "first-mail.yaml", objects,
		"/tmp/notification-manager", w.data, "127.0.0.1:19093", w.address,
	).Replace(string(content))

	if err := os.WriteFile(objects, []byte(blocks(guide, "yaml")[0]), 0o600); err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() {
		if out, err := shared.Kubectl(context.WithoutCancel(t.Context()), "delete", "-f", objects); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})

	commands := blocks(guide, "console")
	w.follow(commands[1])
	w.follow(commands[2])
	w.eventually("the mail arrives", func() error { return box.has("ops@example.com", "Less than 5 % of the disk") })
	w.eventually("the receiver says so", func() error {
		var receiver notificationv2beta2.Receiver
		if err := admin.Get(t.Context(), nameOf("ops"), &receiver); err != nil {
			return err
		}

		if receiver.Status.LastSuccess == nil {
			return errMissing
		}

		return nil
	})
	w.try("render -f " + objects)
}

// follow does the commands of a block, one after the other.
func (w *world) follow(block string) {
	w.tb.Helper()

	for command := range strings.SplitSeq(strings.ReplaceAll(block, "\n  ", " "), "\n") {
		name, arguments, _ := strings.Cut(strings.TrimSpace(command), " ")

		switch name {
		case "", "export":
		case "bin/kubectl":
			if out, err := shared.Kubectl(w.tb.Context(), strings.Fields(arguments)...); err != nil {
				w.tb.Fatalf("%s: %v\n%s", command, err, out)
			}
		case "bin/notification-manager":
			if strings.HasPrefix(arguments, "--") { // the service, which goes on
				w.flags = strings.Fields(arguments)
				w.start()
			} else {
				w.try(arguments)
			}
		case "curl":
			_, rest, _ := strings.Cut(arguments, "'")
			body, url, _ := strings.Cut(rest, "' ")

			_, path, _ := strings.Cut(url, w.address)
			if err := w.call(http.MethodPost, path, []byte(body), nil); err != nil {
				w.tb.Fatalf("%s: %v", command, err)
			}
		default:
			w.tb.Fatalf("nobody knows what to do with %s", command)
		}
	}
}

// try runs a verb that ends, and is to end well.
func (w *world) try(arguments string) {
	w.tb.Helper()

	command := exec.CommandContext(w.tb.Context(), w.program, strings.Fields(arguments)...)
	if out, err := command.CombinedOutput(); err != nil {
		w.tb.Errorf("%s: %v\n%s", arguments, err, out)
	}
}

// blocks are the fenced blocks of a language in a Markdown text.
func blocks(text, language string) []string {
	var found []string

	for _, part := range strings.Split(text, "```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		found = append(found, block)
	}

	return found
}
