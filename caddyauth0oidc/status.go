package caddyauth0oidc

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/tenant"
)

// statusPath is the route of the admin API that tells how things stand.
const statusPath = "/auth0_oidc/status"

// statusAnswer is the answer of GET /auth0_oidc/status.
type statusAnswer struct {
	Tenants        []tenantStatus     `json:"tenants"`         // one for each tenant and client, and way to it
	Children       []tenantStatus     `json:"children"`        // child tenants whose tokens are verified, without client_id
	ManagementAPIs []managementStatus `json:"management_apis"` // that logins ask for profiles
}

// tenantStatus is how it stands with one tenant.
type tenantStatus struct {
	Issuer     string          `json:"issuer"`               // of its tokens
	ClientID   string          `json:"client_id,omitempty"`  // of the application that users sign in to
	State      string          `json:"state"`                // one of the words of stateOf
	Directives int             `json:"directives"`           // that use it and differ
	Discovery  knownStatus     `json:"discovery"`            // the discovery document
	Keys       keysStatus      `json:"keys"`                 // the signing keys
	Paused     []pausedStatus  `json:"paused"`               // endpoints that asked to be left alone
	Secrets    []secretsStatus `json:"secrets,omitempty"`    // that seal the cookies, once for each set of them
	Revocation *ledgerHealth   `json:"revocation,omitempty"` // the marks of ended sessions, as in the health
	Calls      callsStatus     `json:"calls"`                // the last calls to it
}

// knownStatus is how it stands with what the tenant is asked for now and then.
type knownStatus struct {
	Fetched     *time.Time     `json:"fetched,omitempty"`     // when what is in use came from the tenant
	Age         *float64       `json:"age_seconds,omitempty"` // of that
	FromStorage bool           `json:"from_storage"`          // the tenant has not been heard by this process
	Failures    int            `json:"failures"`              // in a row
	LastError   *failureStatus `json:"last_error,omitempty"`  // since the process began; stays after a good answer
	Next        *time.Time     `json:"next,omitempty"`        // a use from then on asks again
}

// keysStatus says of what use the keys are, too.
type keysStatus struct {
	knownStatus
	Count      int      `json:"count"`      // of keys that can be used
	Algorithms []string `json:"algorithms"` // that they are for; RSA is RS256 or PS256
}

// failureStatus is a failure in words of ours, with nothing that the tenant has sent.
type failureStatus struct {
	Endpoint string    `json:"endpoint,omitempty"` // that was called
	Kind     string    `json:"kind"`               // as the label outcome of the metrics, or unusable
	Message  string    `json:"message,omitempty"`
	At       time.Time `json:"at"`
}

// pausedStatus is an endpoint that is not called for a while.
type pausedStatus struct {
	Endpoint string    `json:"endpoint"`
	Until    time.Time `json:"until"`
}

// secretsStatus tells how many secrets there are, and of those in Caddy's storage the age
// of the one that seals.
type secretsStatus struct {
	Configured bool     `json:"configured"`
	Count      int      `json:"count"`
	Age        *float64 `json:"current_age_seconds,omitempty"`
}

// callsStatus is what the last calls came to.
type callsStatus struct {
	LastSuccess *time.Time     `json:"last_success,omitempty"`
	LastError   *failureStatus `json:"last_error,omitempty"`
}

// managementStatus is how it stands with a Management API.
type managementStatus struct {
	Issuer   string      `json:"issuer"`    // the address of the tenant's canonical domain
	ClientID string      `json:"client_id"` // of the machine-to-machine application
	Calls    callsStatus `json:"calls"`
}

// The states of a tenant.
const (
	stateUnasked   = "unasked"   // nothing was needed yet
	stateAvailable = "available" // it answered when it was asked last
	stateAway      = "away"      // it did not, and what is known serves
	stateUnknown   = "unknown"   // it did not, and what logins need is not known: they get 503
)

func isAsked(s tenant.Status) bool { return !s.Discovery.Fetched.IsZero() || s.Discovery.Failures > 0 }

func isAway(s tenant.Status) bool { return s.Discovery.Failures > 0 || s.Keys.Failures > 0 }

func stateOf(s tenant.Status) string {
	switch {
	case !isAsked(s):
		return stateUnasked
	case s.Discovery.Fetched.IsZero(), s.Keys.Failures > 0 && s.KeyCount == 0:
		return stateUnknown
	case isAway(s):
		return stateAway
	}
	return stateAvailable
}

// standing is a tenant of the process and who uses it.
type standing struct {
	issuer, clientID string
	tenant           *tenant.Tenant
	handlers         []*Handler
}

// allTenants gives those of the process, the children behind those that users sign in to.
func allTenants() []standing {
	var found, behind []standing
	pool.Range(func(_, value any) bool {
		s := value.(*shared)
		if users := s.all(); len(users) > 0 {
			found = append(found, standing{s.tenant.Issuer(), users[0].ClientID, s.tenant, users})
		}
		return true
	})
	children.Range(func(_, value any) bool {
		c := value.(*childTenant)
		behind = append(behind, standing{issuer: c.tenant.Issuer(), tenant: c.tenant})
		return true
	})
	for _, some := range [][]standing{found, behind} {
		slices.SortFunc(some, func(a, b standing) int {
			return cmp.Or(cmp.Compare(a.issuer, b.issuer), cmp.Compare(a.clientID, b.clientID))
		})
	}
	return append(found, behind...)
}

// now is the clock of those who use it.
func (s standing) now() time.Time {
	if len(s.handlers) == 0 {
		return time.Now()
	}
	return s.handlers[0].ledger.time()
}

// status answers GET /auth0_oidc/status. It asks nobody.
func (adminAPI) status(w http.ResponseWriter, r *http.Request) error {
	if err := onlyMethods(w, r, http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	answer := statusAnswer{Tenants: []tenantStatus{}, Children: []tenantStatus{}, ManagementAPIs: []managementStatus{}}
	for _, t := range allTenants() {
		if one := t.status(); t.clientID == "" {
			answer.Children = append(answer.Children, one)
		} else {
			answer.Tenants = append(answer.Tenants, one)
		}
	}
	managers.Range(func(_, value any) bool {
		c := value.(*manager).calls.callRecord
		answer.ManagementAPIs = append(answer.ManagementAPIs, managementStatus{c.issuer, c.clientID, c.status()})
		return true
	})
	slices.SortFunc(answer.ManagementAPIs, func(a, b managementStatus) int {
		return cmp.Or(cmp.Compare(a.Issuer, b.Issuer), cmp.Compare(a.ClientID, b.ClientID))
	})
	return writeAdminJSON(w, http.StatusOK, answer)
}

func (s standing) status() tenantStatus {
	status, now := s.tenant.Status(), s.now()
	told := tenantStatus{
		Issuer: s.issuer, ClientID: s.clientID, State: stateOf(status), Directives: len(s.handlers),
		Discovery: knownStatusOf(status.Discovery, now),
		Keys:      keysStatus{knownStatusOf(status.Keys, now), status.KeyCount, append([]string{}, status.Algorithms...)},
		Paused:    []pausedStatus{}, Secrets: secretsOf(s.handlers, now), Calls: recordOf(s.issuer, s.clientID).status(),
	}
	for _, endpoint := range slices.Sorted(maps.Keys(status.Paused)) {
		if until := status.Paused[endpoint]; until.After(now) {
			told.Paused = append(told.Paused, pausedStatus{string(endpoint), shownTime(until)})
		}
	}
	if len(s.handlers) > 0 {
		health := s.handlers[0].ledger.health()
		told.Revocation = &health
	}
	return told
}

func shownTime(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

func shownIfSet(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	shown := shownTime(t)
	return &shown
}

func knownStatusOf(s tenant.AnswerStatus, now time.Time) knownStatus {
	told := knownStatus{Fetched: shownIfSet(s.Fetched), FromStorage: s.Kept, Failures: s.Failures, Next: shownIfSet(s.Next)}
	if told.Fetched != nil {
		age := now.Sub(s.Fetched).Seconds()
		told.Age = &age
	}
	if s.Failure != nil {
		told.LastError = &failureStatus{Kind: string(s.Failure.Outcome()), Message: s.Failure.Error(), At: shownTime(s.Failed)}
	}
	return told
}

func (c *callRecord) status() callsStatus {
	good, failed := c.last()
	told := callsStatus{LastSuccess: shownIfSet(good.at)}
	if !failed.at.IsZero() {
		told.LastError = &failureStatus{Endpoint: failed.endpoint, Kind: string(failed.outcome), At: shownTime(failed.at)}
	}
	return told
}

// secretsOf tells the sets of secrets that the handlers have, each once.
func secretsOf(handlers []*Handler, now time.Time) []secretsStatus {
	var told []secretsStatus
	seen := make(map[*watcher]bool)
	for _, h := range handlers {
		switch {
		case h.rotation == nil:
			if one := (secretsStatus{Configured: true, Count: len(h.Secrets)}); !slices.Contains(told, one) {
				told = append(told, one)
			}
		case !seen[h.rotation.watcher]:
			seen[h.rotation.watcher] = true
			told = append(told, h.rotation.watcher.status(now))
		}
	}
	return told
}

func (w *watcher) status(now time.Time) secretsStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := secretsStatus{Count: len(w.known)}
	if len(w.known) > 0 {
		age := now.Sub(w.known[sealingAt(w.known, now)].Created).Seconds()
		told.Age = &age
	}
	return told
}
