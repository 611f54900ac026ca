package tenant

import (
	"crypto/rsa"
	"slices"
	"time"
)

// Status is how things stand with a tenant. It tells nothing that is secret, and costs no call.
type Status struct {
	// Discovery is how it stands with the discovery document.
	Discovery AnswerStatus
	// Keys is how it stands with the signing keys.
	Keys AnswerStatus
	// KeyCount is how many keys can be used; 0 also for keys that are too old.
	KeyCount int
	// Algorithms are those that the keys are for, each one once; RSA stands for keys that do not say which.
	Algorithms []string
	// Paused are the endpoints that asked to be left alone, and until when.
	Paused map[Endpoint]time.Time
}

// AnswerStatus is how it stands with something that the tenant is asked for now and then.
type AnswerStatus struct {
	// Fetched is when the answer in use came from the tenant; the zero time if there is none.
	Fetched time.Time
	// Kept says that it came from the Memory, and that the tenant has not been heard since.
	Kept bool
	// Next is when the tenant is asked again by the next use; the zero time if that may be at once.
	Next time.Time
	// Failures is how often asking has failed since it last went well.
	Failures int
	// Failed is when it failed last; the zero time for never. It stays after the next good answer.
	Failed time.Time
	// Failure is how; nil for never.
	Failure *UnavailableError
}

// Status tells how things stand.
func (t *Tenant) Status() Status {
	s := Status{Paused: make(map[Endpoint]time.Time)}
	_, s.Discovery = t.metadata.status()
	var keys []signingKey
	keys, s.Keys = t.keys.recall.status()
	s.KeyCount = len(keys)
	for _, key := range keys {
		s.Algorithms = append(s.Algorithms, key.algorithm())
	}
	slices.Sort(s.Algorithms)
	s.Algorithms = slices.Compact(s.Algorithms)
	for endpoint, until := range map[Endpoint]int64{
		EndpointToken: t.throttledUntil.Load(), EndpointPAR: t.pushThrottledUntil.Load(), EndpointRevoke: t.revocationThrottledUntil.Load(),
	} {
		if until != 0 {
			s.Paused[endpoint] = time.Unix(0, until)
		}
	}
	return s
}

// algorithm gives what the key says, or what it can be.
func (s signingKey) algorithm() string {
	if s.alg != "" && slices.Contains(acceptedAlgs, s.alg) {
		return s.alg
	}
	if _, ok := s.public.(*rsa.PublicKey); ok {
		return "RSA"
	}
	return acceptedAlgs[2]
}

func (r *recall[T]) status() (value T, s AnswerStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s = AnswerStatus{Kept: r.recalled, Next: r.notBefore, Failures: r.failures, Failed: r.failed, Failure: r.failure}
	if r.generation == 0 {
		return value, s
	}
	s.Fetched = r.answered
	if s.Next.IsZero() && !r.recalled {
		s.Next = r.answered.Add(r.renewal)
	}
	if !r.servable(r.now()) {
		return value, s
	}
	return r.value, s
}
