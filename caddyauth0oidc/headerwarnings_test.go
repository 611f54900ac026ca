package caddyauth0oidc

import (
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestHDR_29_EditableClaimsUnderNamesThatDecideAreWarnedOf(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		headers Headers
		want    int
	}{
		{Headers{}, 0},
		{Headers{Preset: "remote_user", User: "id", Groups: "https://acme.test/roles"}, 0},
		{Headers{Preset: "remote_user", User: "nickname", Groups: "user_metadata.groups"}, 2},
		{Headers{Preset: "oauth2_proxy"}, 1},
		{Headers{Preset: "oauth2_proxy", Lines: []HeaderLine{{Header: "X_Forwarded-preferred-username", Claim: "id"}}}, 0},
		{Headers{Lines: []HeaderLine{{Header: "X-User", Claim: "nickname"}}}, 1},
		{Headers{Lines: []HeaderLine{{Header: "x_ROLES", Claim: "user_metadata.roles.0"}}}, 1},
		{Headers{Preset: "remote_user", User: "preferred_username", Groups: "family_name"}, 2},
		{Headers{Lines: []HeaderLine{{Header: "X-User", Claim: "given_name"}, {Header: "X-Users", Claim: "given_names"}}}, 1},
		{Headers{Lines: []HeaderLine{{Header: "X-Group", Claim: "https://acme.test/user_metadata.group"}}}, 1},
		{Headers{Lines: []HeaderLine{{Header: "Remote-User", Claim: `"name"`}, {Header: "X-Role-Picture", Claim: "picture"}}}, 2},
		{Headers{Lines: []HeaderLine{{Header: "Remote-User", Value: "acme/{http.auth.user.org_id}/{http.auth.user.nickname}"}}}, 1},
		{Headers{Lines: []HeaderLine{{Header: "X-Nick", Claim: "nickname"}, {Header: "X-Roles", Claim: "app_metadata.roles"}, {Header: "X-User", Claim: "email"}}}, 0},
		{Headers{Lines: []HeaderLine{{Header: "X-User", Value: "{http.auth.user.id}"}, {Header: "X-Users", Claim: "nicknames"}}}, 0},
	} {
		core, logs := observer.New(zap.WarnLevel)
		test.headers.warn(zap.New(core))
		if logs.Len() != test.want {
			t.Errorf("%+v: %d warnings, want %d: %v", test.headers, logs.Len(), test.want, logs.All())
		}
		for _, entry := range logs.All() {
			if fields := entry.ContextMap(); fields["header"] == "" || fields["claim"] == "" {
				t.Errorf("%+v: %v", test.headers, fields)
			}
		}
	}
}
