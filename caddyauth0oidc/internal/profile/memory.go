package profile

import (
	"bytes"
	"encoding/json"
	"sync"
)

// memory is shared by the copies of a profile, so that what one of them decoded
// serves the others.
type memory struct{ identities, extra decoded }

// decoded is a JSON text and, from the first question on, its value.
type decoded struct {
	raw   json.RawMessage
	once  sync.Once
	value any
}

// maxDecoded bounds what the memory of one profile takes, in bytes. A list of groups
// stays below it up to 16 kB of JSON, one of small objects up to 6 kB.
const maxDecoded = 128 << 10

// Remember lets the profile, and every copy that is made of it afterwards, decode
// its claims once, when somebody asks for one. It is for profiles that outlive a
// request. Claims that would take more than 128 kB decoded are decoded at every
// question, as before, and so is what replaces Identities or Extra in a copy.
func (p *Profile) Remember() {
	if n := decodedSize(p.Identities) + decodedSize(p.Extra); 0 < n && n <= maxDecoded {
		p.memory = &memory{identities: decoded{raw: p.Identities}, extra: decoded{raw: p.Extra}}
	}
}

// Forgetful gives a copy without what Remember keeps beside the profile.
func (p *Profile) Forgetful() Profile {
	forgetful := *p
	forgetful.memory = nil
	return forgetful
}

// decodedSize is not less than what the value of the JSON text takes, which is up to
// fifty times the text: every object costs 350 bytes, every element 100.
func decodedSize(raw json.RawMessage) int {
	count := func(sign string) int { return bytes.Count(raw, []byte(sign)) }
	return len(raw) + 350*count("{") + 100*(count("[")+count(","))
}

// decodedIdentities and decodedExtra give values that must not be changed: other
// requests look at them, too.
func (p *Profile) decodedIdentities() any {
	if p.memory != nil && same(p.memory.identities.raw, p.Identities) {
		return p.memory.identities.get()
	}
	return decode(p.Identities)
}

func (p *Profile) decodedExtra() any {
	if p.memory != nil && same(p.memory.extra.raw, p.Extra) {
		return p.memory.extra.get()
	}
	return decode(p.Extra)
}

func (d *decoded) get() any {
	d.once.Do(func() { d.value = decode(d.raw) })
	return d.value
}

// same tells whether both are the same bytes in memory.
func same(a, b json.RawMessage) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
