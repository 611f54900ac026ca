package caddyauth0oidc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

// inspection is what the command finds, and with --json what it writes.
type inspection struct {
	// Kind is session, tokens or state.
	Kind     string `json:"kind,omitempty"`
	Opened   bool   `json:"opened"`
	ExitCode int    `json:"exit_code"`
	// Reason is that of a session.Opening, such as unknown_key, and Why a sentence about it.
	Reason string `json:"reason,omitempty"`
	Why    string `json:"why,omitempty"`
	Error  string `json:"error,omitempty"`

	Site   string     `json:"site,omitempty"`
	Cookie string     `json:"cookie,omitempty"`
	Key    string     `json:"key,omitempty"` // current, newer or older
	KeyID  string     `json:"key_id,omitempty"`
	Size   int        `json:"size,omitempty"` // bytes of all chunks
	Chunks int        `json:"chunks,omitempty"`
	Sealed *time.Time `json:"sealed,omitempty"`

	Session *sessionShown `json:"session,omitempty"`
	Tokens  *tokensShown  `json:"tokens,omitempty"`
	State   *stateShown   `json:"state,omitempty"`
	Logins  []time.Time   `json:"pending_logins,omitempty"` // when they began
	Notes   []string      `json:"notes,omitempty"`

	now     time.Time
	opening session.Opening
}

type sessionShown struct {
	Alive         bool            `json:"alive"`
	Over          string          `json:"over,omitempty"`
	UserID        string          `json:"user_id"`
	Strategy      string          `json:"strategy,omitempty"`
	Connection    string          `json:"connection,omitempty"`
	Organization  string          `json:"organization,omitempty"`
	SID           string          `json:"sid,omitempty"` // its beginning
	Login         time.Time       `json:"login"`
	LastWritten   time.Time       `json:"last_written"`
	Written       uint32          `json:"written"` // times
	AuthTime      *time.Time      `json:"auth_time,omitempty"`
	IdleEnd       time.Time       `json:"idle_end"`
	AbsoluteEnd   time.Time       `json:"absolute_end"`
	MaxAgeEnd     *time.Time      `json:"max_age_end,omitempty"`
	SessionExpiry *time.Time      `json:"session_expiry,omitempty"`
	Ends          time.Time       `json:"ends"`
	Claims        json.RawMessage `json:"claims,omitempty"`
}

type tokensShown struct {
	Opened      bool       `json:"opened"`
	Why         string     `json:"why,omitempty"`
	Kinds       []string   `json:"kinds,omitempty"`
	Expiry      *time.Time `json:"access_token_end,omitempty"`
	ChildExpiry *time.Time `json:"child_access_token_end,omitempty"`
	Refreshes   uint32     `json:"refreshes"`
	Size        int        `json:"size"`
}

type stateShown struct {
	Connection string `json:"connection,omitempty"`
	ReturnTo   string `json:"return_to"` // without its query
	Attempts   int    `json:"attempts"`
	Form       bool   `json:"form"`
}

func (r *inspection) note(text string) { r.Notes = append(r.Notes, text) }

// moment leaves out the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// write ends a run.
func (i *inspect) write(code int, err error) error {
	r := &i.report
	r.ExitCode, r.now = code, i.now()
	if err != nil {
		r.Error = err.Error()
	}
	if i.json {
		return writeObject(i.out, r)
	}
	if code == exitUsage {
		for _, note := range r.Notes {
			_, _ = fmt.Fprintln(i.err, "note: "+visible(note))
		}
		return nil
	}
	_, writing := io.WriteString(i.out, r.text())
	return writing
}

// inspectionText writes one line for each thing that is known.
type inspectionText struct {
	strings.Builder
	now time.Time
}

func (b *inspectionText) line(name, value string) {
	if value != "" {
		fmt.Fprintf(b, "%-16s %s\n", name, visible(value))
	}
}

func (b *inspectionText) time(name string, t *time.Time) {
	if t == nil || t.IsZero() {
		return
	}
	away := t.Sub(b.now).Round(time.Second)
	text := "in " + away.String()
	if away < 0 {
		text = (-away).String() + " ago"
	}
	b.line(name, t.UTC().Format(time.RFC3339)+"  ("+text+")")
}

func (r *inspection) text() string {
	b := &inspectionText{now: r.now}
	switch {
	case !r.Opened:
		b.line("result", "it does not open")
		b.line("reason", r.Reason)
		b.line("why", r.Why)
	case r.Session != nil && r.Session.Alive:
		b.line("result", "a session that is alive")
	case r.Session != nil:
		b.line("result", "a session that is over: "+r.Session.Over)
	default:
		b.line("result", "it opens")
	}
	b.line("site", r.Site)
	b.line("cookie", r.Cookie)
	if r.KeyID != "" {
		b.line("key", strings.TrimSpace(r.Key+" ("+r.KeyID+")"))
	}
	if r.Size > 0 {
		b.line("size", fmt.Sprintf("%d bytes in %d %s", r.Size, max(r.Chunks, 1), plural(r.Chunks, "cookie", "cookies")))
	}
	b.time("sealed", r.Sealed)
	r.writeSession(b)
	r.writeRest(b)
	for _, note := range r.Notes {
		b.line("note", note)
	}
	return b.String()
}

func (r *inspection) writeSession(b *inspectionText) {
	s := r.Session
	if s == nil {
		return
	}
	b.line("user id", s.UserID)
	b.line("connection", s.Connection)
	b.line("strategy", s.Strategy)
	b.line("organization", s.Organization)
	b.line("sid", s.SID)
	b.time("login", &s.Login)
	b.time("last written", &s.LastWritten)
	b.time("auth_time", s.AuthTime)
	b.time("idle end", &s.IdleEnd)
	b.time("absolute end", &s.AbsoluteEnd)
	b.time("max_age end", s.MaxAgeEnd)
	b.time("session_expiry", s.SessionExpiry)
	b.time("ends", &s.Ends)
	if s.Claims != nil {
		var text bytes.Buffer
		if json.Indent(&text, s.Claims, "", "  ") == nil {
			fmt.Fprintf(b, "claims\n%s\n", visibleJSON(text.Bytes()))
		}
	}
}

func (r *inspection) writeRest(b *inspectionText) {
	if t := r.Tokens; t != nil {
		if t.Opened {
			b.line("tokens", strings.Join(t.Kinds, ", ")+fmt.Sprintf("; %d bytes, refreshed %d times", t.Size, t.Refreshes))
		} else {
			b.line("tokens", "they do not open: "+t.Why)
		}
		b.time("access token", t.Expiry)
		b.time("child's token", t.ChildExpiry)
	}
	if s := r.State; s != nil {
		b.line("connection", s.Connection)
		b.line("return to", s.ReturnTo)
		b.line("attempts", fmt.Sprint(s.Attempts))
	}
	for _, began := range r.Logins {
		b.time("pending login", &began)
	}
}
