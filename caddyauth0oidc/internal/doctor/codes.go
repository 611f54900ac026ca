package doctor

// Codes of what is known from the configuration alone.
const (
	// CodeConfigInvalid and the next four are of directives that cannot be loaded.
	CodeConfigInvalid = "config_invalid"
	CodePlaceholder   = "placeholder_unresolved"
	CodeMissing       = "setting_missing"
	CodeSecretShort   = "secret_short"
	CodeFile          = "file_unreadable"
	CodeNoDirective   = "no_directive"

	CodeCookieDomain = "cookie_domain_foreign"
	CodeSameSite     = "same_site_insecure"

	codeSettings       = "settings"
	codeUnreachable    = "directive_unreachable"
	codeOpen           = "open_to_everybody"
	codeSecretsDiffer  = "secrets_differ"
	codeHeaderLimit    = "header_limit_small"
	codeBaseURLPlain   = "base_url_plain"
	codeBaseURLMixed   = "base_url_mixed"
	codeBaseURLForeign = "base_url_foreign"
	codeBaseURLPartial = "base_url_incomplete"
	codeBaseURLNeeded  = "base_url_needed"
	codeProxyUntrusted = "proxy_untrusted"
)

// Codes of what the tenant was asked for.
const (
	codeDiscovery         = "discovery"
	codeDNS               = "dns_unknown"
	codeUnreachableTenant = "tenant_unreachable"
	codeTimeout           = "tenant_timeout"
	codeProxy             = "proxy_failed"
	codeTLSUntrusted      = "tls_untrusted"
	codeTLSExpired        = "tls_expired"
	codeTLSOtherHost      = "tls_other_host"
	codeTLSFailed         = "tls_failed"
	codeNoDiscovery       = "discovery_missing"
	codeNotDiscovery      = "discovery_unreadable"
	codeDiscoveryFailed   = "discovery_failed"
	codeThrottled         = "tenant_throttled"
	codeRedirected        = "discovery_redirected"
	codeIssuerSlash       = "issuer_slash"
	codeIssuerCustom      = "issuer_custom_domain"
	codeIssuerOther       = "issuer_other"
	codeEndpoints         = "endpoints_missing"
	codeNoS256            = "pkce_missing"
	codeKeys              = "keys"
	codeKeysFailed        = "keys_failed"
	codeKeysUnusable      = "keys_unusable"
	codeAlgorithm         = "algorithm_unsupported"
	codePARMissing        = "par_missing"
	codePARRequired       = "par_required"
	codeLogoutMissing     = "logout_missing"
	codeClock             = "clock"
	codeClockOff          = "clock_off"
	codeNotAsked          = "tenant_not_asked"
)

func (s *Site) passed(code, seen string) Finding {
	return Finding{Code: code, Severity: Passed, Site: s.Name, Seen: seen}
}

func (s *Site) found(severity Severity, code, seen, cause, remedy string) Finding {
	return Finding{Code: code, Severity: severity, Site: s.Name, Seen: seen, Cause: cause, Remedy: remedy}
}
