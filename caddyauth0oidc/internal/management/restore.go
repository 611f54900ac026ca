package management

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

const (
	memberSigning = "jwt_configuration"
	// unsetAlg is how an application signs that names no algorithm.
	unsetAlg = "HS256"
)

// restoreApplication takes a change back: of lists only what was added, and of the rest what still is as it was set, so that
// what somebody else did meanwhile stays. It reads again afterwards, and the error says what is not as it was.
func (t Tenant) restoreApplication(ctx context.Context, s Step) error {
	now, err := t.application(ctx, s.ID)
	if err != nil {
		return err
	}
	if now, err = t.put(ctx, s.ID, now, s.restoring(now)); err != nil {
		return err
	}
	if s.unsetAlgStays(now) { // as the tenant merges, or there is no other member to send
		if now, err = t.put(ctx, s.ID, now, map[string]any{memberSigning: signingWith(now, unsetAlg)}); err != nil {
			return err
		}
	}
	if left := s.unlike(now); len(left) > 0 {
		return &Refusal{Why: "not everything is as it was", Do: strings.Join(left, ", ")}
	}
	return nil
}

// put changes an application and reads it again. Nothing to change is no request, as Auth0 refuses an empty one.
func (t Tenant) put(ctx context.Context, id string, now Application, body map[string]any) (Application, error) {
	if len(body) == 0 {
		return now, nil
	}
	if err := t.updateApplication(ctx, id, body); err != nil {
		return nil, err
	}
	return t.application(ctx, id)
}

// restoring gives the members that have to be sent.
func (s Step) restoring(now Application) map[string]any {
	body := map[string]any{}
	for name := range s.body {
		_, list := s.body[name].([]any)
		switch {
		case name == memberSigning:
			s.restoreSigning(now, body)
		case list:
			s.restoreList(name, now, body)
		case now[name] == s.body[name]: // oidc_conformant; where it is not set, an application is not
			body[name] = s.before[name] == true
		}
	}
	return body
}

func (s Step) restoreList(name string, now Application, body map[string]any) {
	if name == "grant_types" && s.before[name] == nil { // without the member it may have had all of them, with an empty list none
		return
	}
	kept := []any{}
	for _, entry := range now.list(name) {
		if !slices.Contains(s.added(name), entry) {
			kept = append(kept, entry)
		}
	}
	if len(kept) < len(now.list(name)) {
		body[name] = kept
	}
}

// added are the entries of a list that the change had beyond those that were there.
func (s Step) added(name string) []string {
	return slices.DeleteFunc(texts(s.body[name]), func(entry string) bool { return slices.Contains(texts(s.before[name]), entry) })
}

// restoreSigning keeps the other members. An object without any could be refused, so unsetAlgStays sees to that case.
func (s Step) restoreSigning(now Application, body map[string]any) {
	if signingOf(now)["alg"] != signingAlg {
		return
	}
	if signing := signingWith(now, signingOf(s.before)["alg"]); len(signing) > 0 {
		body[memberSigning] = signing
	}
}

func signingOf(members map[string]any) map[string]any {
	signing, _ := members[memberSigning].(map[string]any)
	return signing
}

// signingWith gives the settings of signing with another algorithm, or with none.
func signingWith(now Application, alg any) map[string]any {
	signing := maps.Clone(signingOf(now))
	if signing == nil {
		signing = map[string]any{}
	}
	if signing["alg"] = alg; alg == nil {
		delete(signing, "alg")
	}
	return signing
}

func (s Step) unsetAlgStays(now Application) bool {
	_, changed := s.body[memberSigning]
	return changed && signingOf(s.before)["alg"] == nil && signingOf(now)["alg"] == signingAlg
}

// unlike says what is not as it was before the change. Entries that somebody else added to a list are none of it.
func (s Step) unlike(now Application) []string {
	var left []string
	for _, name := range slices.Sorted(maps.Keys(s.body)) {
		was, is := s.before[name], now[name]
		switch _, list := s.body[name].([]any); {
		case name == memberSigning:
			name, was, is = name+".alg", signingOf(s.before)["alg"], signingOf(now)["alg"]
		case list && s.likeList(name, now):
			continue
		}
		if !reflect.DeepEqual(was, is) {
			left = append(left, fmt.Sprintf("%s %s, and %s now", name, setText("was", was), setText("is", is)))
		}
	}
	return left
}

// likeList tells whether a list has what it had and nothing of ours. No addresses are the same as an empty list of them, but
// no grant types are not: Auth0 may take them for all.
func (s Step) likeList(name string, now Application) bool {
	if name == "grant_types" && s.before[name] == nil && now[name] != nil {
		return false
	}
	return !missing(now.list(name), texts(s.before[name])) &&
		!slices.ContainsFunc(s.added(name), func(entry string) bool { return slices.Contains(now.list(name), entry) })
}

func setText(verb string, value any) string {
	if value == nil {
		return verb + " not set"
	}
	return fmt.Sprintf("%s %v", verb, value)
}
