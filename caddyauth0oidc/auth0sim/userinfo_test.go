package auth0sim

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// userInfo asks /userinfo of the master and gives type and text of the answer.
func (w *world) userInfo(accessToken string) (contentType, text string) {
	w.t.Helper()
	req, _ := http.NewRequest(http.MethodGet, w.Master.base()+"/userinfo", nil)
	req.Header.Set("Authorization", "Bearer "+accessToken)
	resp, err := w.network.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%d, %v", resp.StatusCode, err)
	}
	return resp.Header.Get("Content-Type"), string(raw)
}

func TestUserInfoIsSignedOnRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.tokens(nil)["access_token"].(string)
	w.Master.Configure(func(s *Settings) {
		s.SignUserInfo = func(_, claims map[string]any) { claims["name"] = "Changed" }
	})
	contentType, text := w.userInfo(token)
	claims := claimsOf(t, text)
	if contentType != "application/jwt" || !w.verifies(text) || claims["iss"] != w.Master.Issuer() || claims["aud"] != w.App.ClientID ||
		claims["sub"] != w.MasterUserID(w.User) || claims["name"] != "Changed" {
		t.Errorf("%s: %v", contentType, claims)
	}
}

func TestUserInfoUnderAnotherType(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.tokens(nil)["access_token"].(string)
	w.Master.Configure(func(s *Settings) { s.UserInfoType = "application/jwt" })
	if contentType, text := w.userInfo(token); contentType != "application/jwt" || !strings.Contains(text, `"sub":`) {
		t.Errorf("%s: %s", contentType, text)
	}
	w.Master.Configure(func(s *Settings) {
		s.UserInfoType, s.SignUserInfo = "application/json", func(_, _ map[string]any) {}
	})
	if contentType, text := w.userInfo(token); contentType != "application/json" || strings.Count(text, ".") != 2 {
		t.Errorf("%s: %s", contentType, text)
	}
}
