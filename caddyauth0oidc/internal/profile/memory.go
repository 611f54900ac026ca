package profile

import (
	"bytes"
	"encoding/json"
	"sync"
)

// memory is what most profiles do not have; they are a part of each request, and one word
// more would cost all of them.
type memory struct {
	claims  *decodedClaims // nil until Remember
	foreign bool
}

// decodedClaims are shared by the copies of a profile, so that what one of them decoded
// serves the others.
type decodedClaims struct{ identities, extra decoded }

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
		p.memory = &memory{&decodedClaims{decoded{raw: p.Identities}, decoded{raw: p.Extra}}, p.isForeign()}
	}
}

// Forgetful gives a copy without what Remember keeps beside the profile.
func (p *Profile) Forgetful() Profile {
	forgetful := *p
	forgetful.memory = nil
	if p.isForeign() {
		forgetful.memory = &memory{foreign: true}
	}
	return forgetful
}

// Foreign gives a copy for a user who is let in by a linked identity, and whose UserID is
// of another connection: what stands there as the child's is of another tenant, and is
// not shown.
func (p *Profile) Foreign() *Profile {
	foreign := *p
	foreign.memory = &memory{p.remembered(), true}
	return &foreign
}

func (p *Profile) isForeign() bool { return p.memory != nil && p.memory.foreign }

func (p *Profile) remembered() *decodedClaims {
	if p.memory == nil {
		return nil
	}
	return p.memory.claims
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
	if known := p.remembered(); known != nil && same(known.identities.raw, p.Identities) {
		return known.identities.get()
	}
	return decode(p.Identities)
}

func (p *Profile) decodedExtra() any {
	if known := p.remembered(); known != nil && same(known.extra.raw, p.Extra) {
		return known.extra.get()
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
