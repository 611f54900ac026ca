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
}

func TestForgetfulCopySaysTheSame(t *testing.T) {
	t.Parallel()
	p := &Profile{UserID: "auth0|1", Extra: json.RawMessage(`{"a":["b"]}`)}
	p.Remember()
	c := p.Forgetful()
	value, _ := c.Claim("a.0")
	if p.memory == nil || c.memory != nil || !p.Same(&c) || value != "b" {
		t.Errorf("%+v of %+v", c, p)
	}
}
