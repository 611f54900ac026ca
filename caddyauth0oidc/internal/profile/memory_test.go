package profile

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"testing"
)

func remembering(extra string) *Profile {
	p := &Profile{UserID: "auth0|a", Identities: json.RawMessage(`[{"provider":"auth0"}]`), Extra: json.RawMessage(extra)}
	p.Remember()
	return p
}

func TestCopiesOfARememberingProfileDecodeOnce(t *testing.T) {
	p := remembering(`{"app_metadata":{"plan":"gold"}}`)
	first, second := *p, *p
	for _, path := range []string{"app_metadata", "identities", "identities.0"} {
		one, _ := first.Claim(path)
		other, _ := second.Claim(path)
		if reflect.ValueOf(one).Pointer() != reflect.ValueOf(other).Pointer() {
			t.Errorf("%s was decoded twice", path)
		}
	}
	if n := testing.AllocsPerRun(10, func() { first.Claim("app_metadata.plan") }); n > 0 {
		t.Errorf("a question takes %v allocations", n)
	}
}

func TestManyReadersOfARememberedProfileGetTheSameAnswer(t *testing.T) {
	t.Parallel()
	p := remembering(`{"app_metadata":{"plan":"gold","tags":["a","b,c"]}}`)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			own := *p
			for _, path := range []string{"app_metadata", "app_metadata.tags", "identities"} {
				v, _ := own.Claim(path)
				w, _ := (&Profile{Identities: p.Identities, Extra: p.Extra}).Claim(path)
				if Text(v) != Text(w) || Text(v) == "" {
					t.Errorf("%s is %s, want %s", path, Text(v), Text(w))
				}
			}
		})
	}
	group.Wait()
}

// What a profile says must never be older than the profile.
func TestWhatReplacesRememberedClaimsAnswersForItself(t *testing.T) {
	t.Parallel()
	p := remembering(`{"role":"admin"}`)
	if v, _ := p.Claim("role"); v != "admin" {
		t.Fatalf("role is %v", v)
	}
	for extra, want := range map[string]any{`{"role":"guest"}`: "guest", `{"role":"admin"} `: "admin", `{}`: nil, "": nil} {
		changed := *p
		changed.UserID, changed.Extra, changed.Identities = "auth0|b", json.RawMessage(extra), json.RawMessage(`[{"provider":"samlp"}]`)
		if v, _ := changed.Claim("role"); v != want {
			t.Errorf("with %q the role is %v, want %v", extra, v, want)
		}
		if v, _ := changed.Claim("identities.0.provider"); v != "samlp" {
			t.Errorf("the provider is %v", v)
		}
		if v, _ := changed.Claims().Find("sub"); v != "auth0|b" {
			t.Errorf("the user is %v", v)
		}
	}
	if v, _ := p.Claim("role"); v != "admin" {
		t.Errorf("the remembered role became %v", v)
	}
}

func TestMemoryOfOneProfileIsBounded(t *testing.T) {
	t.Parallel()
	list := func(element string, size int) string {
		return `{"a":[` + strings.TrimSuffix(strings.Repeat(element+",", size/(len(element)+1)), ",") + `]}`
	}
	for _, test := range []struct {
		what, extra string
		remembers   bool
	}{
		{"nothing", "", true}, // the identities
		{"a list of groups of 16 kB", list(`"editors-of-pages"`, 16_000), true},
		{"small objects of 6 kB", list(`{"name":"acme","role":"admin"}`, 6_000), true},
		{"a list of groups of 60 kB", list(`"editors-of-pages"`, 60_000), false},
		{"objects of 4 kB that take fifty times as much", list(`{"a":0}`, 4_000), false},
		{"arrays in arrays", `{"a":` + strings.Repeat("[", 1_500) + strings.Repeat("]", 1_500) + `}`, false},
	} {
		p := remembering(test.extra)
		if remembers := p.memory != nil; remembers != test.remembers {
			t.Errorf("%s: remembers %v", test.what, remembers)
		}
		if v, _ := p.Claim("a"); v == nil && test.extra != "" {
			t.Errorf("%s: the claim is gone", test.what)
		}
	}
	empty := Profile{UserID: "auth0|a"}
	if empty.Remember(); empty.memory != nil {
		t.Error("a profile without JSON takes memory")
	}
}
