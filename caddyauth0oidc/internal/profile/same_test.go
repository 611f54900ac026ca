package profile

import (
	"encoding/json"
	"reflect"
	"testing"
)

// Whoever asks whether two profiles are the same must hear of every field.
func TestProfilesThatDifferInOneFieldAreNotTheSame(t *testing.T) {
	t.Parallel()
	var one Profile
	fields := reflect.ValueOf(&one).Elem()
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Name
		if name == "memory" {
			continue
		}
		other := one
		field := reflect.ValueOf(&other).Elem().Field(i)
		if field.Kind() == reflect.String {
			field.SetString("x")
		} else {
			field.SetBytes(json.RawMessage(`["x"]`))
		}
		if one.Same(&other) || other.Same(&one) {
			t.Errorf("%s makes no difference", name)
		}
		if again := other; !other.Same(&again) {
			t.Errorf("%s: a copy is another profile", name)
		}
	}
	if one.Same(one.Foreign()) {
		t.Error("a foreign user's is the same")
	}
}

func TestForgetfulCopySaysTheSame(t *testing.T) {
	t.Parallel()
	p := &Profile{UserID: "auth0|1", Extra: json.RawMessage(`{"a":["b"]}`)}
	p.Remember()
	c := p.Forgetful()
	value, _ := c.Claim("a.0")
	if p.remembered() == nil || c.remembered() != nil || !p.Same(&c) || value != "b" {
		t.Errorf("%+v of %+v", c, p)
	}
	foreign := p.Foreign()
	if c = foreign.Forgetful(); foreign.remembered() != p.remembered() || c.remembered() != nil || !c.Same(foreign) || c.Same(p) {
		t.Errorf("%+v of %+v", c, foreign)
	}
}
