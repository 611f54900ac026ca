package caddyauth0oidc

import (
	"regexp"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

// warn tells of headers whose names promise who somebody is, or what they may do,
// and whose claims people can edit themselves.
func (h *Headers) warn(logger *zap.Logger) {
	chosen := []HeaderLine{{Header: "user", Claim: h.User}, {Header: "groups", Claim: h.Groups}}
	if h.Preset == upstream.PresetOAuth2Proxy && !slices.ContainsFunc(h.Lines, isPreferredUsername) {
		chosen = append(chosen, HeaderLine{Header: upstream.PreferredUsernameHeader, Claim: upstream.PreferredUsername})
	}
	for _, l := range slices.Concat(chosen, h.Lines) {
		if claim := l.editableClaim(); claim != "" && decides(l.Header) {
			logger.Warn("users may be able to edit the claim of this header themselves; "+
				"let no application decide by it who somebody is or what they may do",
				zap.String("header", l.Header), zap.String("claim", claim))
		}
	}
}

func isPreferredUsername(l HeaderLine) bool {
	return upstream.Same(l.Header, upstream.PreferredUsernameHeader)
}

// decides tells of names by which applications know users and their rights.
func decides(header string) bool {
	header = strings.ToLower(header)
	return slices.ContainsFunc([]string{"user", "role", "group"}, func(word string) bool { return strings.Contains(header, word) })
}

var userPlaceholders = regexp.MustCompile(`\{` + regexp.QuoteMeta(userPlaceholder) + `([^}]+)\}`)

// editableClaim gives the first such claim of the line, or nothing.
func (l HeaderLine) editableClaim() string {
	claims := []string{l.Claim}
	for _, found := range userPlaceholders.FindAllStringSubmatch(l.Value, -1) {
		claims = append(claims, found[1])
	}
	for _, claim := range claims {
		switch strings.Trim(claim, `"`) {
		case "name", "given_name", "family_name", "nickname", "picture", upstream.PreferredUsername:
			return claim
		}
		if strings.Contains(claim, "user_metadata") { // by whatever name an Action shows it
			return claim
		}
	}
	return ""
}
