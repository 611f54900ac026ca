package management

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

func parsed(t *testing.T, text string) *Record {
	t.Helper()
	r, err := ParseRecord([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

func TestRecordIsOneExactObject(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing":         ``,
		"null":            `null`,
		"a list":          `[{"user_id":"a"}]`,
		"two":             `{"user_id":"a"}{"user_id":"b"}`,
		"cut off":         `{"user_id":"a"`,
		"twice":           `{"user_id":"a","user_id":"b"}`,
		"twice inside":    `{"user_id":"a","app_metadata":{"plan":1,"plan":2}}`,
		"no UTF-8":        "{\"user_id\":\"\xff\"}",
		"too deep":        `{"user_id":"a","x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
		"a huge number":   `{"user_id":"a","logins_count":1e999}`,
		"too much of all": `{"user_id":"` + strings.Repeat("a", maxBody) + `"}`,
	} {
		if r, err := ParseRecord([]byte(text)); err == nil {
			t.Errorf("%s: read %+v", name, r)
		}
	}
	if r := parsed(t, `{"USER_ID":"b","user_id":7}`); r.ID != "" {
		t.Errorf("the id is %q", r.ID)
	}
}

func TestWhateverIsNotFalseBlocks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`{}`: false, `{"blocked":false}`: false, `{"blocked":null}`: false,
		`{"blocked":true}`: true, `{"blocked":"false"}`: true, `{"blocked":0}`: true, `{"blocked":{}}`: true,
	} {
		if got := parsed(t, text).Blocked; got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestClaimsAreTheNormalizedProfileWithoutSecrets(t *testing.T) {
	t.Parallel()
	r := parsed(t, `{"user_id":"auth0|1","name":"Ann","email":"a@b.test","email_verified":true,"logins_count":12345678901234567890,"nickname":null,
		"sub":"evil","iss":"evil","org_id":"evil","roles":["admin"],"global_client_id":"x","persistent":{},"access_token":"s",
		"identities":[{"connection":"c","user_id":7,"provider":"p","isSocial":true,"access_token":"s","refresh_token":"s","access_token_secret":"s",
			"expires_in":1,"anything":"s","profileData":{"name":"N","x":[{"client_secret":"s","y":1}],"Password":"s"}},"no identity",{"connection":{"a":1}}],
		"app_metadata":{"plan":"gold","deep":{"a.b":1,"c":2}},"user_metadata":{"plan":"free"}}`)
	paths := []MetadataPath{{"app_metadata", "plan"}, {"app_metadata", "deep", "a.b"}, {"user_metadata", "absent"}, {"app_metadata", "plan", "below"}}
	want := map[string]any{
		"name": "Ann", "email": "a@b.test", "email_verified": true, "logins_count": json.Number("12345678901234567890"),
		"identities": []any{
			map[string]any{
				"connection": "c", "user_id": json.Number("7"), "provider": "p", "isSocial": true,
				"profileData": map[string]any{"name": "N", "x": []any{map[string]any{"y": json.Number("1")}}},
			},
			map[string]any{},
		},
		"app_metadata": map[string]any{"plan": "gold", "deep": map[string]any{"a.b": json.Number("1")}},
	}
	if got := r.Claims(paths); !reflect.DeepEqual(got, want) {
		t.Errorf("the claims are %v, want %v", got, want)
	}
	if got := r.Claims(nil)["app_metadata"]; got != nil {
		t.Errorf("without a path: %v", got)
	}
	whole := r.Claims([]MetadataPath{{"app_metadata"}, {"app_metadata", "plan"}})["app_metadata"].(map[string]any)
	if len(whole) != 2 || len(r.Claims(paths)["app_metadata"].(map[string]any)) != 2 {
		t.Errorf("the whole is %v", whole)
	}
	if got := r.Identities()[0]; got != (Identity{Provider: "p", Connection: "c", UserID: "7", AccessToken: "s"}) {
		t.Errorf("the identity is %+v", got)
	}
}

func TestMetadataPaths(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]MetadataPath{
		"app_metadata":              {"app_metadata"},
		"app_metadata.plan":         {"app_metadata", "plan"},
		`user_metadata."a.b".c`:     {"user_metadata", "a.b", "c"},
		`"app_metadata"."x y"`:      {"app_metadata", "x y"},
		"":                          nil,
		"plan":                      nil,
		"app_metadata.":             nil,
		".app_metadata":             nil,
		"app_metadata..plan":        nil,
		`app_metadata."plan`:        nil,
		`app_metadata."plan"x`:      nil,
		"app_metadata.pl an":        nil,
		"identities.0.access_token": nil,
		strings.Repeat("app_metadata.", 20) + "a": nil,
	} {
		got, err := ParseMetadataPath(text)
		if (err == nil) != (want != nil) || !reflect.DeepEqual(got, want) && want != nil {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

func TestRecordIsOfTheUserWhoWasAskedFor(t *testing.T) {
	tenant, client := tenantWith(t, "read:users", "read:user_idp_tokens")
	added := tenant.AddUser(auth0sim.User{ID: "auth0|1", Email: "ann@example.com"})
	r, err := client.Record(t.Context(), added.ID)
	if err != nil || r.ID != added.ID {
		t.Fatalf("%+v, %v", r, err)
	}
	body := `{"user_id":"auth0|2"}`
	tenant.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if strings.HasPrefix(r.URL.Path, "/api/") {
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(body))
				return true
			}
			return false
		}
	})
	if _, err := client.Record(t.Context(), added.ID); !errors.Is(err, ErrOtherUser) {
		t.Errorf("somebody else: %v", err)
	}
	body = `{"user_id":"auth0|1","user_id":"auth0|1"}`
	var failed *Error
	if _, err := client.Record(t.Context(), added.ID); !errors.As(err, &failed) || failed.Status != http.StatusOK {
		t.Errorf("twice: %v", err)
	}
}

func TestRateLimitIsRememberedAndEnds(t *testing.T) {
	tenant, client := tenantWith(t, "read:users")
	added := tenant.AddUser(auth0sim.User{ID: "auth0|1", Email: "ann@example.com"})
	now := time.Now()
	client.now = func() time.Time { return now }
	tenant.LimitRequests("/api/v2/", 0, 7*time.Second)
	for _, want := range []time.Duration{7 * time.Second, 5 * time.Second} {
		var failed *Error
		if _, err := client.User(t.Context(), added.ID); !errors.As(err, &failed) || failed.Status != 429 || failed.RetryAfter != want {
			t.Errorf("%v, want to wait %s", err, want)
		}
		now = now.Add(2 * time.Second)
	}
	if n := tenant.Calls("/api/v2/users/auth0|1"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	now = now.Add(4 * time.Second)
	tenant.LimitRequests("/api/v2/", 9, time.Second)
	if _, err := client.User(t.Context(), added.ID); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A key of the tenant was replaced, and its tokens with it.
func TestTokenThatIsNotTakenAnyMoreIsReplacedOnce(t *testing.T) {
	tenant, client := tenantWith(t, "read:users")
	added := tenant.AddUser(auth0sim.User{ID: "auth0|1", Email: "ann@example.com"})
	refuse, refused := 0, 0
	tenant.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if refused == refuse || !strings.HasPrefix(r.URL.Path, "/api/") {
				return false
			}
			refused++
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
	})
	if _, err := client.User(t.Context(), added.ID); err != nil {
		t.Fatal(err)
	}
	refuse = 1
	if _, err := client.User(t.Context(), added.ID); err != nil || tenant.Calls("/oauth/token") != 2 {
		t.Errorf("%v, %d tokens", err, tenant.Calls("/oauth/token"))
	}
	refuse = 100
	if _, err := client.User(t.Context(), added.ID); err == nil || refused != 3 {
		t.Errorf("%v, refused %d times, want once, and once more with another token", err, refused-1)
	}
}

// Whoever waits for somebody else's token has a deadline of its own.
func TestSlowTenantTakesOneTimeoutOfEachCall(t *testing.T) {
	tenant, client := tenantWith(t, "read:users")
	client.timeout = 50 * time.Millisecond
	tenant.Configure(func(s *auth0sim.Settings) {
		s.Intercept = func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }
	})
	done := make(chan error, 4)
	began := time.Now()
	for range cap(done) {
		go func() { _, err := client.User(t.Context(), "auth0|1"); done <- err }()
	}
	for range cap(done) {
		if err := <-done; !errors.Is(err, errTimeout) {
			t.Errorf("the error is %v", err)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"user_id":"a","blocked":true,"identities":[{"provider":"p","access_token":"t","profileData":{"x":1}}],"app_metadata":{"plan":{"a":1}}}`))
	f.Add([]byte(`{"identities":[[],1,null],"app_metadata":[1]}`))
	paths := []MetadataPath{{"app_metadata"}, {"app_metadata", "plan"}, {"user_metadata", "a", "b"}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseRecord(raw)
		if err != nil {
			return
		}
		_ = r.Identities()
		encoded, err := json.Marshal(r.Claims(paths[1:])["identities"])
		if err != nil || strings.Contains(string(encoded), `"access_token"`) {
			t.Errorf("%s: %v", encoded, err)
		}
		_ = r.Claims(paths)
	})
}

func FuzzMetadataPath(f *testing.F) {
	f.Add(`app_metadata."a.b".c`)
	f.Fuzz(func(t *testing.T, text string) {
		path, err := ParseMetadataPath(text)
		if err == nil && (len(path) == 0 || len(path) > maxMetadataPath) {
			t.Errorf("%q became %q", text, path)
		}
	})
}
