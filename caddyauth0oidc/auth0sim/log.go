package auth0sim

import "slices"

// LogEntry is an entry of the tenant's log.
type LogEntry struct {
	// Type is Auth0's code of the event, such as ferrt for a refresh token used twice.
	Type string
	// ClientID and UserID say whom it concerns.
	ClientID, UserID string
	// Details is the status of an answer or the text of a failure, where there was one.
	Details string
}

// Logs returns the tenant's log, oldest first.
func (t *Tenant) Logs() []LogEntry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.log)
}

func (t *Tenant) lockedLog(kind string, a authorization) {
	t.log = append(t.log, LogEntry{Type: kind, ClientID: a.clientID, UserID: a.userID})
}

func (t *Tenant) record(e LogEntry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log = append(t.log, e)
}
