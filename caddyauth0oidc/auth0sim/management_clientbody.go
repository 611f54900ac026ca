package auth0sim

import (
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// clientMembers are what a client may be created and changed with, and the type of each.
var clientMembers = map[string]string{
	"name": "string", "description": "string", "app_type": "string", "callbacks": "array", "allowed_logout_urls": "array",
	"grant_types": "array", "oidc_conformant": "boolean", "oidc_logout": "object", "jwt_configuration": "object",
	"token_endpoint_auth_method": "string",
}

// clientEnums are the members that take one of a few values.
var clientEnums = map[string][]string{
	"app_type":                   {"native", "spa", "regular_web", "non_interactive"},
	"token_endpoint_auth_method": {"none", "client_secret_post", "client_secret_basic"},
}

// clientAlgs are the algorithms that a client's ID tokens can have, as discovery lists them.
var clientAlgs = []any{"HS256", "RS256", "PS256"}

const (
	clientNameLimit   = 255
	descriptionLimit  = 140
	defaultSigningAlg = "HS256"
)

// createdGrants are the recorded grant types of a client that was created without naming any.
var createdGrants = []string{"authorization_code", "implicit", "refresh_token", "client_credentials"}

// judgeClient refuses values that the schema does not allow.
func judgeClient(body map[string]any) *managementError {
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if want, got := clientMembers[name], jsonType(body[name]); got != want {
			return invalidBody("'Expected type " + want + " but found type " + got + "' on property " + name + ".")
		}
		if allowed := clientEnums[name]; allowed != nil && !slices.Contains(allowed, body[name].(string)) {
			return invalidBody("'No enum match for: " + body[name].(string) + "' on property " + name + ".")
		}
		if list, ok := body[name].([]any); ok && len(stringList(list)) != len(list) {
			return invalidBody("'Expected type string' on property " + name + ".")
		}
	}
	return judgeClientTexts(body)
}

func judgeClientTexts(body map[string]any) *managementError {
	if name, ok := body["name"].(string); ok && (name == "" || len(name) > clientNameLimit || strings.ContainsAny(name, "<>")) {
		return invalidBody("'String does not match pattern ^[^<>]+$' on property name.")
	}
	if text, _ := body["description"].(string); len(text) > descriptionLimit {
		return invalidBody("'String is too long' on property description.")
	}
	signing, _ := body["jwt_configuration"].(map[string]any)
	if alg, ok := signing["alg"]; ok && !slices.Contains(clientAlgs, alg) {
		return invalidBody("'No enum match' on property alg of jwt_configuration.")
	}
	for _, list := range []string{"callbacks", "allowed_logout_urls"} {
		for _, address := range stringList(body[list]) {
			if !strings.Contains(address, "://") {
				return invalidBody("'Object didn't pass validation for format absolute-uri-or-empty: " + address + "' on property " + list + ".")
			}
		}
	}
	return judgeBackchannel(body)
}

// judgeBackchannel takes one URL for logout tokens, of https and no private or loopback address.
func judgeBackchannel(body map[string]any) *managementError {
	logout, _ := body["oidc_logout"].(map[string]any)
	addresses := stringList(logout["backchannel_logout_urls"])
	if len(addresses) > 1 {
		return invalidBody("'Array is too long (" + strconv.Itoa(len(addresses)) + "), maximum 1' on property backchannel_logout_urls.")
	}
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "https" || u.Hostname() == "localhost" || isPrivate(u.Hostname()) {
			return invalidBody("'Object didn't pass validation for format url: " + address + "' on property backchannel_logout_urls.")
		}
	}
	return nil
}

func isPrivate(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && (address.IsPrivate() || address.IsLoopback() || address.IsLinkLocalUnicast() || address.IsUnspecified())
}

func jsonType(value any) string {
	switch value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case nil:
		return "null"
	}
	return "number"
}
