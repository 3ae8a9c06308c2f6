package egress

import (
	"encoding/binary"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestGuardKnowsAddresses(t *testing.T) {
	const (
		blocked = "blocked"
		private = "private"
		public  = "public"
	)

	for text, want := range map[string]string{
		"127.0.0.1":       blocked,
		"127.255.255.254": blocked,
		"::1":             blocked,
		"0.0.0.0":         blocked,
		"0.1.2.3":         blocked,
		"::":              blocked,
		"169.254.169.254": blocked,
		"169.254.0.1":     blocked,
		"fe80::1":         blocked,
		"fe80::1%eth0":    blocked,
		"febf::1":         blocked,
		"fd00:ec2::254":   blocked,
		"fd20:ce::254":    blocked,
		"100.100.100.200": blocked,
		"168.63.129.16":   blocked,
		"192.0.0.192":     blocked,
		"224.0.0.1":       blocked,
		"239.255.255.250": blocked,
		"ff02::1":         blocked,
		"255.255.255.255": blocked,
		"240.0.0.1":       blocked,
		"2001::1":         blocked, // Teredo

		"::ffff:127.0.0.1":           blocked,
		"::ffff:169.254.169.254":     blocked,
		"::ffff:0.0.0.0":             blocked,
		"::127.0.0.1":                blocked,
		"::ffff:0:127.0.0.1":         blocked, // translated
		"64:ff9b::127.0.0.1":         blocked,
		"64:ff9b::169.254.169.254":   blocked,
		"64:ff9b:1::1":               blocked,
		"2002:7f00:1::":              blocked, // 6to4 of 127.0.0.1
		"2002:a9fe:a9fe::1":          blocked,
		"2620:1::5efe:127.0.0.1":     blocked, // ISATAP
		"2620:1::200:5efe:127.0.0.1": blocked,

		"10.0.0.1":                private,
		"172.16.0.1":              private,
		"172.31.255.255":          private,
		"192.168.1.1":             private,
		"100.64.0.1":              private,
		"198.18.0.1":              private,
		"fd12:3456::1":            private,
		"fec0::1":                 private,
		"::ffff:10.0.0.1":         private,
		"64:ff9b::10.0.0.1":       private,
		"2002:c0a8:101::":         private,
		"2620:1::5efe:10.0.0.1":   private,
		"::192.168.0.1":           private,
		"::ffff:0:192.168.0.1":    private,
		"64:ff9b::100.127.255.25": private,

		"8.8.8.8":               public,
		"172.32.0.1":            public,
		"100.128.0.1":           public,
		"192.0.1.1":             public,
		"223.255.255.255":       public,
		"2606:4700::1111":       public,
		"64:ff9b::8.8.8.8":      public,
		"2002:808:808::":        public,
		"::ffff:8.8.8.8":        public,
		"2620:1::5efe:8.8.8.8":  public,
		"2001:4860:4860::8888":  public, // not Teredo, which is 2001:0::/32
		"2620:1::127.0.0.1":     public, // no form of an address of IPv4
		"fd20:ce::253":          private,
		"2620:5efe::7f00:1:1:1": public,
	} {
		address := netip.MustParseAddr(text)

		got := public

		switch {
		case Guard{AllowPrivate: true}.Check(address) != nil:
			got = blocked
		case Guard{}.Check(address) != nil:
			got = private
		}

		if got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

func TestPolicyOfGuard(t *testing.T) {
	prefixes := func(texts ...string) []netip.Prefix {
		var made []netip.Prefix
		for _, text := range texts {
			made = append(made, netip.MustParsePrefix(text))
		}

		return made
	}

	for name, test := range map[string]struct {
		guard   Guard
		address string
		allowed bool
	}{
		"allowed loopback":                 {Guard{Allow: prefixes("127.0.0.0/8")}, "127.0.0.1", true},
		"allowed loopback, mapped":         {Guard{Allow: prefixes("127.0.0.0/8")}, "::ffff:127.0.0.1", true},
		"allowed by a mapped prefix":       {Guard{Allow: prefixes("::ffff:127.0.0.0/104")}, "127.0.0.1", true},
		"only another loopback":            {Guard{Allow: prefixes("127.0.0.2/32")}, "127.0.0.1", false},
		"a translator alone is not enough": {Guard{Allow: prefixes("64:ff9b::/96")}, "64:ff9b::127.0.0.1", false},
		"denied though public":             {Guard{Deny: prefixes("203.0.113.0/24")}, "203.0.113.7", false},
		"denied through a translator":      {Guard{Deny: prefixes("203.0.113.7/32")}, "64:ff9b::203.0.113.7", false},
		"denied through 6to4":              {Guard{Deny: prefixes("203.0.113.7/32")}, "2002:cb00:7107::1", false},
		"denied though private is allowed": {
			Guard{AllowPrivate: true, Deny: prefixes("10.96.0.1/32")}, "10.96.0.1", false,
		},
		"deny before allow": {
			Guard{Allow: prefixes("10.0.0.0/8"), Deny: prefixes("10.96.0.1/32")}, "10.96.0.1", false,
		},
		"allowed private": {Guard{Allow: prefixes("10.0.0.0/8")}, "10.1.2.3", true},
	} {
		err := test.guard.Check(netip.MustParseAddr(test.address))
		if (err == nil) != test.allowed {
			t.Errorf("%s: %v, want allowed %t", name, err, test.allowed)
		}
	}
}

func TestGuardRefusesWhatIsNoAddress(t *testing.T) {
	if err := (Guard{AllowPrivate: true}).Check(netip.Addr{}); err == nil {
		t.Error("no address passed")
	}

	for network, address := range map[string]string{"udp4": "8.8.8.8:53", "tcp4": "nonsense", "unix": "/run/x"} {
		if err := (Guard{}).control(t.Context(), network, address, nil); err == nil {
			t.Errorf("%s %s passed", network, address)
		}
	}
}

// Names are checked by the address they resolve to, in the dialer.
func TestGuardStandsBehindTheResolver(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the server was reached")
	}))
	defer server.Close()

	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")

	for _, host := range []string{"localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"} {
		_, err := newClient(t, New(Options{}), Settings{Guard: Guard{AllowPrivate: true}}).Do(t.Context(), Request{
			To: endpoint(t, "http://"+host+":"+port+"/"),
		})
		if blocked := new(BlockedError); !errors.As(err, &blocked) {
			t.Errorf("%s: %v, want a BlockedError", host, err)
		}
	}

	connection, err := Guard{}.DialContext(t.Context(), "tcp", "localhost:"+port)
	if blocked := new(BlockedError); !errors.As(err, &blocked) {
		t.Errorf("DialContext gave %v and %v, want a BlockedError", connection, err)
	}
}

// However an address of IPv4 is dressed, it is let through no sooner than it would be bare.
func FuzzDressedAddresses(f *testing.F) {
	for _, seed := range []uint32{0x7f000001, 0xa9fea9fe, 0x0a000001, 0x08080808, 0, 0xffffffff, 0xc0a80101} {
		f.Add(seed, uint64(0x2606470000000000))
	}

	f.Fuzz(func(t *testing.T, number uint32, network uint64) {
		var four [4]byte
		binary.BigEndian.PutUint32(four[:], number)

		bare := netip.AddrFrom4(four)

		for _, guard := range []Guard{{}, {AllowPrivate: true}} {
			want := guard.Check(bare) == nil

			for _, address := range dressed(four, network) {
				if got := guard.Check(address) == nil; got && !want {
					t.Errorf("%s is let through, %s is not (%+v)", address, bare, guard)
				}
			}

			if mapped := netip.AddrFrom16(bare.As16()); (guard.Check(mapped) == nil) != want {
				t.Errorf("%s and %s differ", mapped, bare)
			}
		}
	})
}

func dressed(four [4]byte, network uint64) []netip.Addr {
	with := func(prefix []byte, at int) netip.Addr {
		var sixteen [16]byte

		copy(sixteen[:], prefix)
		copy(sixteen[at:], four[:])

		return netip.AddrFrom16(sixteen)
	}

	isatap := binary.BigEndian.AppendUint64(nil, network)

	return []netip.Addr{
		with([]byte{0x20, 0x02}, 2),
		with([]byte{0x00, 0x64, 0xff, 0x9b}, 12),
		with([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 12),
		with([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 12),
		with(append(isatap, 0, 0, 0x5e, 0xfe), 12),
		with(append(isatap, 2, 0, 0x5e, 0xfe), 12),
		with(nil, 12),
	}
}
