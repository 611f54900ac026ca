package session

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func typicalRefreshed(t testing.TB) *Refreshed {
	s := typicalSession(t)
	return &Refreshed{Session: *s, Tokens: *typicalTokens(s), Begun: testNow.UTC().Truncate(time.Second), Rotates: Rotating}
}

func TestARefreshedSessionSurvivesTheStorage(t *testing.T) {
	t.Parallel()
	k := newTestKeyring(t)
	idle := typicalRefreshed(t)
	idle.Begun, idle.Rotates = time.Time{}, RotationUnknown
	for _, want := range []*Refreshed{typicalRefreshed(t), idle} {
		text, err := k.SealRefreshed(want)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := k.OpenRefreshed(text)
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("it came back as %+v, %v", got, ok)
		}
		if strings.Contains(text, "Ada") || strings.Contains(text, want.Tokens.Refresh) {
			t.Error("it can be read")
		}
	}
}

func TestCVE_SDK_16_WhatIsNoRefreshedSession(t *testing.T) {
	t.Parallel()
	k, other := newTestKeyring(t), newTestKeyring(t, "another secret of another site, long")
	good, err := k.SealRefreshed(typicalRefreshed(t))
	if err != nil {
		t.Fatal(err)
	}
	mixed := typicalRefreshed(t)
	mixed.Tokens.Session[0]++
	mixedText, _ := k.SealRefreshed(mixed)
	state, _ := k.SealState(State{ReturnTo: "/"})
	foreign, _ := other.SealRefreshed(typicalRefreshed(t))
	for name, text := range map[string]string{
		"nothing": "", "a state": state, "of another secret": foreign, "tokens of another session": mixedText,
		"truncated": good[:len(good)-4], "changed": good[:40] + "AAAA" + good[44:], "endless": good + strings.Repeat("A", 200_000), "garbage": "x.y",
	} {
		if _, ok := k.OpenRefreshed(text); ok {
			t.Errorf("%s was taken for one", name)
		}
	}
}

func FuzzRefreshed(f *testing.F) {
	f.Add(typicalRefreshed(f).pack())
	f.Add((&Refreshed{}).pack())
	f.Add([]byte{payloadVersion, 9})
	f.Fuzz(func(t *testing.T, payload []byte) {
		var r Refreshed
		if r.unpack(payload) == nil && !reflect.DeepEqual(r.pack(), payload) {
			t.Error("another spelling was accepted")
		}
	})
}
