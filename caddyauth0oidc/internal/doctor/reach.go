package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// blocks are the findings after which nothing else can be asked of the tenant.
var blocks = map[string]bool{
	codeDNS: true, codeUnreachableTenant: true, codeTimeout: true, codeProxy: true, codeTLSUntrusted: true, codeTLSExpired: true,
	codeTLSOtherHost: true, codeTLSFailed: true, codeNoDiscovery: true, codeNotDiscovery: true, codeDiscoveryFailed: true,
	codeThrottled: true, codeRedirected: true, codeIssuerSlash: true, codeIssuerCustom: true, codeIssuerOther: true,
	codeEndpoints: true, codeNoS256: true,
}

// unreached says why there was no answer.
func (s *Site) unreached(err error, host string) Finding {
	var (
		dns   *net.DNSError
		proxy *tenant.ProxyError
		wait  net.Error
	)
	setting := s.Settings.IssuerSetting
	switch {
	case errors.As(err, &proxy):
		return s.proxyFailed(fmt.Sprintf("The proxy to the tenant answered with status %d.", proxy.Status))
	case isProxy(err):
		return s.proxyFailed("The proxy to the tenant could not be reached.")
	case errors.As(err, &dns):
		return s.found(Failure, codeDNS, "The name "+host+" could not be resolved: "+dnsReason(dns)+".",
			"The domain has a typing error or lacks its region, or this machine cannot ask its resolver.",
			"Compare the setting "+setting+" with the domain in the dashboard (Applications > (yours) > Domain); if it is right, look at /etc/resolv.conf, or at the DNS settings of the container.")
	case isTLS(err):
		return s.tlsFailed(err, host)
	case errors.Is(err, context.Canceled):
		return s.found(Unknown, codeNotAsked, "The examination was interrupted.", "It was ended by a signal.", "Run the command again.")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &wait) && wait.Timeout():
		return s.found(Failure, codeTimeout, host+" did not answer in time.", "A firewall drops what is sent there, a proxy has to be used, or the network is slow.",
			"Let this machine reach "+host+" on its port, or name the proxy in http { proxy }; http { timeout } gives slow networks more time.")
	}
	return s.found(Failure, codeUnreachableTenant, host+" cannot be reached: "+socketReason(err)+".",
		"Nothing listens there, a firewall refuses it, or a proxy has to be used.",
		"Compare the setting "+setting+" with the domain in the dashboard; let this machine reach "+host+", or name the proxy in http { proxy }.")
}

func (s *Site) proxyFailed(seen string) Finding {
	return s.found(Failure, codeProxy, seen, "The proxy of http { proxy }, or of HTTPS_PROXY in the environment, is wrong, wants a password, or does not allow the tenant.",
		"Correct http { proxy }, with user name and password if it wants them, or write proxy none to go without one; have the proxy allow "+hostOf(s.Issuer)+".")
}

func isProxy(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "proxyconnect"
}

func dnsReason(err *net.DNSError) string {
	switch {
	case err.IsNotFound:
		return "there is no such name"
	case err.IsTimeout:
		return "the resolver did not answer in time"
	}
	return "the resolver failed"
}

func socketReason(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "there is no way to its network"
	case errors.Is(err, syscall.ECONNRESET):
		return "the connection was closed at once"
	}
	return "there was no usable HTTP answer"
}

func isTLS(err error) bool {
	var (
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		verifying *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		alert     tls.AlertError
	)
	return errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid) || errors.As(err, &verifying) ||
		errors.As(err, &record) || errors.As(err, &alert) || errors.Is(err, http.ErrSchemeMismatch)
}

func (s *Site) tlsFailed(err error, host string) Finding {
	var (
		authority x509.UnknownAuthorityError
		other     x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &authority):
		return s.found(Failure, codeTLSUntrusted, "The certificate of "+host+" goes back to no authority that this server trusts.",
			"A proxy that opens TLS stands in between, the system has no certificate authorities (as in small containers), or http { trust_pool } names the wrong ones.",
			"Install the system's ca-certificates, or name the authority in http { trust_pool file /path/to/ca.pem }.")
	case errors.As(err, &other):
		return s.found(Failure, codeTLSOtherHost, "The certificate of "+host+" is for another name.",
			"The name leads to another server, or the custom domain is not finished at Auth0.",
			"Compare the setting "+s.Settings.IssuerSetting+" with the dashboard, and for a custom domain look under Branding > Custom Domains whether it is verified.")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return s.found(Failure, codeTLSExpired, "The certificate of "+host+" has expired, or is not valid yet.",
			"Its owner has not renewed it, or the clock of this machine is wrong.",
			"Look at the clock of this machine (timedatectl) first; a certificate of your own, for a custom domain or a proxy, has to be renewed where it is installed.")
	}
	return s.found(Failure, codeTLSFailed, host+" does not speak TLS as it should.",
		"The port is one of plain http, a proxy answers in between, or its certificate is not one for servers.",
		"Compare host and port of the setting "+s.Settings.IssuerSetting+" with the dashboard, and look at http { proxy }.")
}
