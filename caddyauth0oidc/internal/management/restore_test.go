package management

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
)

// oneApplication is a tenant with one application. Auth0 does not say whether it merges the settings of signing.
type oneApplication struct {
	app     map[string]any
	merges  bool
	patches int
}

func (o *oneApplication) RoundTrip(r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	if r.Method == http.MethodPatch {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			return nil, err
		}
		o.patches++
		if signing := body[memberSigning]; o.merges && signing != nil {
			merged := maps.Clone(signingOf(o.app))
			if merged == nil {
				merged = map[string]any{}
			}
			maps.Copy(merged, signing.(map[string]any))
			body[memberSigning] = merged
		}
		maps.Copy(o.app, body)
	}
	err := json.NewEncoder(recorder).Encode(o.app)
	return recorder.Result(), err
}

func (o *oneApplication) tenant(t *testing.T) Tenant {
	t.Helper()
	client, err := New(Config{Base: "https://master.test/", Token: "token", Transport: o})
	if err != nil {
		t.Fatal(err)
	}
	return Tenant{Name: tenantMaster, Client: client}
}

func TestRestoredApplicationIsWhatItWasOrTheErrorSaysSo(t *testing.T) {
	const callback = "https://app.test/auth/callback"
	for _, test := range []struct {
		what      string
		was       map[string]any
		merges    bool
		meanwhile map[string]any
		want      map[string]any // of what it was, where it differs
		left      string
	}{
		{
			what: "everything is there",
			was:  map[string]any{"callbacks": []any{"https://old.test/"}, "grant_types": []any{"implicit"}, "oidc_conformant": false, memberSigning: map[string]any{"alg": "PS256"}},
		},
		{
			what: "no algorithm", was: map[string]any{"oidc_conformant": true, memberSigning: map[string]any{"lifetime_in_seconds": 60.0}},
			want: map[string]any{"callbacks": []any{}, "allowed_logout_urls": []any{}, "grant_types": []any{codeGrant}}, left: "grant_types was not set, and is [authorization_code] now",
		},
		{
			what: "no algorithm at a tenant that merges", merges: true,
			was: map[string]any{
				"callbacks": []any{callback}, "allowed_logout_urls": []any{"https://app.test/"}, "grant_types": []any{codeGrant}, "oidc_conformant": true,
				memberSigning: map[string]any{"lifetime_in_seconds": 60.0},
			},
			want: map[string]any{memberSigning: map[string]any{"lifetime_in_seconds": 60.0, "alg": "HS256"}},
			left: "jwt_configuration.alg was not set, and is HS256 now",
		},
		{
			what: "nothing of signing, and nothing of conformance",
			was:  map[string]any{"callbacks": []any{callback}, "allowed_logout_urls": []any{"https://app.test/"}, "grant_types": []any{codeGrant}},
			want: map[string]any{"oidc_conformant": false, memberSigning: map[string]any{"alg": "HS256"}},
			left: "jwt_configuration.alg was not set, and is HS256 now, oidc_conformant was not set, and is false now",
		},
		{
			what: "somebody else adds a callback and another lifetime",
			was:  map[string]any{"callbacks": []any{"https://old.test/"}, "grant_types": []any{codeGrant}, "oidc_conformant": true, memberSigning: map[string]any{"alg": "HS256"}},
			meanwhile: map[string]any{
				"callbacks": []any{"https://old.test/", callback, "https://new.test/"}, memberSigning: map[string]any{"alg": "RS256", "lifetime_in_seconds": 5.0},
			},
			want: map[string]any{
				"callbacks": []any{"https://old.test/", "https://new.test/"}, "allowed_logout_urls": []any{}, memberSigning: map[string]any{"alg": "HS256", "lifetime_in_seconds": 5.0},
			},
		},
		{
			what:      "somebody else chooses another algorithm",
			was:       map[string]any{"callbacks": []any{callback}, "grant_types": []any{codeGrant}, "oidc_conformant": true, memberSigning: map[string]any{"alg": "HS256"}},
			meanwhile: map[string]any{memberSigning: map[string]any{"alg": "PS256"}},
			want:      map[string]any{"allowed_logout_urls": []any{}, memberSigning: map[string]any{"alg": "PS256"}},
			left:      "jwt_configuration.alg was HS256, and is PS256 now",
		},
	} {
		t.Run(test.what, func(t *testing.T) {
			test.was["client_id"], test.was["name"] = "app", "app"
			want := maps.Clone(test.was)
			maps.Copy(want, test.want)
			if test.what == "everything is there" {
				want["allowed_logout_urls"] = []any{}
			}
			f := complete()
			f.App.Application = maps.Clone(test.was)
			p, err := NewPlan(desired(nil), f)
			if err != nil {
				t.Fatal(err)
			}
			o := &oneApplication{app: maps.Clone(test.was), merges: test.merges}
			tenant := o.tenant(t)
			if err := tenant.updateApplication(t.Context(), "app", p.Steps[1].body); err != nil {
				t.Fatal(err)
			}
			maps.Copy(o.app, test.meanwhile)
			err = tenant.restoreApplication(t.Context(), p.Steps[1])
			if (err == nil) != (test.left == "") || err != nil && !strings.HasSuffix(err.Error(), ": "+test.left) {
				t.Errorf("the error is %v", err)
			}
			if !reflect.DeepEqual(o.app, want) {
				t.Errorf("the application is\n%v, want\n%v", o.app, want)
			}
		})
	}
}

func TestRestoringAChangeThatDidNotTakePlaceWritesNothing(t *testing.T) {
	f := complete()
	f.App.Application["callbacks"] = []any{"https://old.test/"}
	p, err := NewPlan(desired(nil), f)
	if err != nil {
		t.Fatal(err)
	}
	o := &oneApplication{app: f.App.Application}
	if err := o.tenant(t).restoreApplication(t.Context(), p.Steps[1]); err != nil || o.patches != 0 {
		t.Errorf("%v after %d requests", err, o.patches)
	}
}
