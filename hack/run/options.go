package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// options are the flags of the command.
type options struct {
	assets  string
	manager string
	config  string
	dir     string
	once    bool
	timeout time.Duration
	ports   []port
}

// port is a port on 127.0.0.1 that a run takes, and how to choose another.
type port struct {
	number   int
	flag     string
	variable string
	use      string
}

// The flags of the ports, by which portOf finds them.
const (
	apiServerPort   = "api-server-port"
	etcdPort        = "etcd-port"
	etcdPeerPort    = "etcd-peer-port"
	diagnosticsPort = "diagnostics-port"
	healthPort      = "health-port"
)

func defaultPorts() []port {
	return []port{
		{number: 16443, flag: apiServerPort, variable: "RUN_API_SERVER_PORT", use: "the API server"},
		{number: 12379, flag: etcdPort, variable: "RUN_ETCD_PORT", use: "etcd"},
		{number: 12380, flag: etcdPeerPort, variable: "RUN_ETCD_PEER_PORT", use: "etcd's peers"},
		{number: 18080, flag: diagnosticsPort, variable: "RUN_DIAGNOSTICS_PORT", use: "the manager's diagnostics"},
		{number: 18081, flag: healthPort, variable: "RUN_HEALTH_PORT", use: "the manager's health"},
	}
}

func (o options) portOf(name string) int {
	for _, p := range o.ports {
		if p.flag == name {
			return p.number
		}
	}

	return 0
}

// parseOptions reads flags, whose defaults come from the environment where it says something.
func parseOptions(args []string, getenv func(string) string, output io.Writer) (options, error) {
	o := options{ports: defaultPorts()}

	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the caller prints errors
	flags.StringVar(&o.assets, "assets", "",
		"folder with Kubernetes' programs (default what 'make kubernetes' has built)")
	flags.StringVar(&o.manager, "manager", "bin/ks-controller-manager", "the manager's binary")
	flags.StringVar(&o.config, "config", "config", "folder with the folders run and samples")
	flags.StringVar(&o.dir, "dir", ".run", "folder for state and logs; a clean end removes it")
	flags.BoolVar(&o.once, "once", getenv("ONCE") != "", "check samples and proofs, then end ($ONCE)")
	flags.DurationVar(&o.timeout, "timeout", time.Minute, "how long the controllers, and then the samples, may take")

	for i := range o.ports {
		p := &o.ports[i]
		if value := getenv(p.variable); value != "" {
			number, err := strconv.ParseUint(value, 10, 16)
			if err != nil {
				return options{}, fmt.Errorf("%s=%q is not a port: want a number from 1 to 65535", p.variable, value)
			}

			p.number = int(number)
		}

		flags.IntVar(&p.number, p.flag, p.number, fmt.Sprintf("port of %s ($%s)", p.use, p.variable))
	}

	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(output)
			flags.PrintDefaults()
		}

		return options{}, err //nolint:wrapcheck // it names the flag
	}

	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}

	return o, o.check()
}

// check refuses what would fail later, and less clearly.
func (o options) check() error {
	if info, err := os.Stat(o.manager); err != nil || info.IsDir() {
		return fmt.Errorf("there is no manager at %s: run `make build`", o.manager)
	}

	for _, folder := range []string{"run", "samples"} {
		path := filepath.Join(o.config, folder)
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("there is no %s: call this in the top folder of the checkout", path)
		}
	}

	return nil
}
