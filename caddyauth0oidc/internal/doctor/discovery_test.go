package doctor

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// canned answers every request in the same way, but for that of the keys.
type canned struct {
	status         int
	header         http.Header
	document, keys []byte
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	body := c.document
	if !strings.HasSuffix(r.URL.Path, "/openid-configuration") {
		body = c.keys
	}
	return &http.Response{StatusCode: c.status, Header: c.header, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

func cannedSite(c canned) *Site {
	return &Site{
		Name: "app.example.com", Issuer: "https://acme.eu.auth0.com/", Settings: Settings{IssuerSetting: "domain"},
		Place: Place{Hosts: []string{"app.example.com"}, Secure: true, HeaderLimit: 1 << 20}, Client: &http.Client{
			Transport: c, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

const soundDocument = `{"issuer":"https://acme.eu.auth0.com/","authorization_endpoint":"https://acme.eu.auth0.com/authorize",` +
	`"token_endpoint":"https://acme.eu.auth0.com/oauth/token","jwks_uri":"https://acme.eu.auth0.com/.well-known/jwks.json"}`

// Whatever a tenant answers, each finding says what was seen, in bounded length.
func FuzzAnswersOfATenantBecomeFindings(f *testing.F) {
	f.Add(200, "application/json", "", []byte(soundDocument), []byte(`{"keys":[]}`))
	f.Add(200, "text/html", "", []byte("<html>"), []byte(""))
	f.Add(302, "", "https://\x1b[2J/%zz", []byte(""), []byte(""))
	f.Add(200, "application/json", "-1", []byte(`{"issuer":"://\u202e","id_token_signing_alg_values_supported":[""]}`), []byte("[]"))
	f.Fuzz(func(t *testing.T, status int, kind, location string, document, keys []byte) {
		site := cannedSite(canned{status, http.Header{"Content-Type": {kind}, "Location": {location}, "Date": {location}, "Age": {location}}, document, keys})
		found := Examine(t.Context(), []*Site{site}, Surroundings{Now: time.Now}, func(string) {})
		if len(found) < 2 {
			t.Errorf("only %v was found", found)
		}
		for _, one := range found {
			if one.Seen == "" || len(one.Seen) > 2000 || one.Severity != Passed && (one.Cause == "" || one.Remedy == "") {
				t.Errorf("the finding is not whole, or too long: %+v", one)
			}
		}
	})
}

func TestClockIsComparedWithTheAgeOfCachedAnswersInMind(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, row := range []struct {
		date time.Duration // of the answer, after now
		age  string
		want Severity
	}{
		{0, "", Passed}, {-time.Minute, "", Passed}, {-time.Hour, "3600", Passed}, {-2 * time.Minute, "", Warning},
		{4 * time.Minute, "", Warning}, {6 * time.Minute, "", Failure}, {-time.Hour, "-3600", Failure},
	} {
		got := &answer{sent: now, received: now, header: http.Header{"Date": {now.Add(row.date).Format(http.TimeFormat)}, "Age": {row.age}}}
		if found := cannedSite(canned{}).checkClock(got); len(found) != 1 || found[0].Severity != row.want {
			t.Errorf("%s and %q: %+v", row.date, row.age, found)
		}
	}
	if found := cannedSite(canned{}).checkClock(&answer{header: http.Header{}}); len(found) != 0 {
		t.Errorf("without a date: %+v", found)
	}
}

// What a check would ask of the tenant makes no sense after an error of the way to it.
func TestTenantIsNotAskedFurtherBehindAnError(t *testing.T) {
	t.Parallel()
	site := cannedSite(canned{status: http.StatusNotFound})
	found := examineOne(t.Context(), site, Surroundings{Now: time.Now}, []Check{func(context.Context, *Site, Surroundings) []Finding {
		t.Error("the tenant was asked")
		return nil
	}})
	if last := found[len(found)-1]; last.Code != codeNotAsked || last.Severity != Unknown {
		t.Errorf("the last finding is %+v", last)
	}
}

// A clock that is off does not keep the rest from being looked at.
func TestTenantIsAskedInSpiteOfOtherErrors(t *testing.T) {
	t.Parallel()
	site := cannedSite(canned{status: http.StatusOK, document: []byte(soundDocument), header: http.Header{"Date": {"Fri, 02 Jan 2026 03:04:05 GMT"}}})
	asked := false
	examineOne(t.Context(), site, Surroundings{Now: time.Now}, []Check{func(context.Context, *Site, Surroundings) []Finding {
		asked = true
		return nil
	}})
	if !asked {
		t.Error("the tenant was not asked")
	}
}
