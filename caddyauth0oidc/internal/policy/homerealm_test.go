package policy

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDomainsOfConnections(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"acme.com": "acme.com", "ACME.Com": "acme.com", "bücher.example": "xn--bcher-kva.example", "xn--bcher-kva.example": "xn--bcher-kva.example",
		"": "", "*.acme.com": "", "@acme.com": "", "ann@acme.com": "", "acme_x.com": "", "acme.com.": "", "acme com": "", "https://acme.com": "",
		"192.0.2.1": "", "BÜCHER.example": "", strings.Repeat("a.", 130) + "com": "",
	} {
		if got, err := EmailDomain(written); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", written, got, err)
		}
	}
}

func TestDomainBehindAnAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"ann@acme.com": "acme.com", "Ann@ACME.COM": "acme.com", "a@b@acme.com": "acme.com", "ann@acme.com.": "acme.com",
		"ann@BÜCHER.example": "xn--bcher-kva.example", "ann@XN--BCHER-KVA.example": "xn--bcher-kva.example", "ann@bu\u0308cher.example": "xn--bcher-kva.example",
		"ann@\uff41cme.com": "acme.com", "zoë@acme.com": "acme.com",
		"": "", "@": "", "ann": "", "ann@": "", "@acme.com": "", "ann@acme": "", "ann@acme..com": "", "ann@.acme.com": "", "ann@[192.0.2.1]": "", "ann@192.0.2.1": "",
		"ann @acme.com": "", "ann@acme.com\r\n": "", "ann\x00@acme.com": "", "ann\u200b@acme.com": "", "ann@acme_x.com": "", "ann@xn--a.com": "",
		"\xff@acme.com": "", strings.Repeat("a", 504) + "@acme.com": "", strings.Repeat("a", 503) + "@acme.com": "acme.com",
	} {
		if got, ok := AddressDomain(address); got != want || ok != (want != "") {
			t.Errorf("%.30q of %d bytes: %q, %t", address, len(address), got, ok)
		}
	}
}

// What an address gives is a domain that a configuration can have.
func FuzzAddressDomain(f *testing.F) {
	for _, address := range append(sortedOut, "ann@acme.com", "ann@BÜCHER.example", "ann@xn--bcher-kva.example", "ann@\uff41cme.com") {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		domain, ok := AddressDomain(address)
		if !ok {
			if domain != "" {
				t.Errorf("%q is refused and of %q", address, domain)
			}
			return
		}
		again, err := EmailDomain(domain)
		if err != nil || again != domain || !utf8.ValidString(address) || len(address) > maxAddress {
			t.Errorf("%q is of %q, which is %q: %v", address, domain, again, err)
		}
	})
}
