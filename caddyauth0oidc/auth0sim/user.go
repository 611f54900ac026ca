package auth0sim

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"time"
)

// User is a user of a tenant.
type User struct {
	// ID is the user_id, such as auth0|563b9b6cf50bc24402a69b80; it is made from the connection when empty.
	ID string
	// Connection is where the user comes from; the default is [DatabaseConnection].
	Connection string
	// Email is lower-cased for database users.
	Email         string
	EmailVerified bool
	// Password is for database users.
	Password string
	// Name and Nickname are made from Email when empty, Picture is a Gravatar address then.
	Name, Nickname, Picture, GivenName, FamilyName string
	PhoneNumber                                    string
	// Claims are further attributes of the profile. Tokens carry those whose names are namespaced.
	Claims map[string]any
	// AppMetadata and UserMetadata are seen in the Management API only.
	AppMetadata, UserMetadata map[string]any
	// Blocked users get the error "user is blocked" instead of a code.
	Blocked bool
	// Identities is made when empty. A linked account has more than one; its user id is that of the first.
	Identities []Identity
	// CreatedAt and UpdatedAt are set when zero.
	CreatedAt, UpdatedAt time.Time
	// LastLogin and LoginsCount are set by logins.
	LastLogin   time.Time
	LoginsCount int
}

// Identity is one entry of a user's identities.
type Identity struct {
	Connection string `json:"connection"`
	UserID     string `json:"user_id"`
	Provider   string `json:"provider"`
	IsSocial   bool   `json:"isSocial"`
	// AccessToken is what the identity provider issued; the Management API shows it to tokens with read:user_idp_tokens.
	AccessToken string `json:"access_token,omitempty"`
	// RefreshToken, AccessTokenSecret and ExpiresIn, in seconds, are there under the same condition, for some providers.
	RefreshToken      string `json:"refresh_token,omitempty"`
	AccessTokenSecret string `json:"access_token_secret,omitempty"`
	ExpiresIn         int    `json:"expires_in,omitempty"`
	// ProfileData is the profile of a linked secondary identity.
	ProfileData map[string]any `json:"profileData,omitempty"`
}

// AddUser registers a user, or replaces the one with that id, and returns what was stored.
func (t *Tenant) AddUser(u User) User {
	if u.Connection == "" {
		u.Connection = DatabaseConnection
	}
	c, ok := t.connectionNamed(u.Connection)
	if !ok {
		c = *t.AddConnection(Connection{Name: u.Connection, Strategy: u.Connection})
	}
	if c.Strategy == "auth0" {
		u.Email = strings.ToLower(u.Email)
	}
	if u.ID == "" {
		u.ID = userID(c, t.newUserID(c.Strategy))
	}
	u.fill(c, t.now())
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users[u.ID] = &u
	return u
}

func (t *Tenant) newUserID(strategy string) string {
	raw := t.network.bytes(12)
	if strategy == "auth0" {
		return hex.EncodeToString(raw)
	}
	// Google's ids are 21 decimal digits.
	return fmt.Sprintf("1%020s", new(big.Int).SetBytes(raw[:8]))
}

// userID follows the grammar STRATEGY|ID, with the connection's name between them for enterprise strategies.
func userID(c Connection, id string) string {
	if enterprise(c.Strategy) {
		return c.Strategy + "|" + c.Name + "|" + id
	}
	return c.Strategy + "|" + id
}

func (u *User) fill(c Connection, now time.Time) {
	if u.Nickname == "" {
		u.Nickname, _, _ = strings.Cut(u.Email, "@")
	}
	if u.Name == "" {
		u.Name = u.Email
	}
	if u.Picture == "" {
		sum := md5.Sum([]byte(strings.ToLower(u.Email)))
		u.Picture = "https://s.gravatar.com/avatar/" + hex.EncodeToString(sum[:]) + "?s=480&r=pg&d=" +
			url.QueryEscape("https://cdn.auth0.com/avatars/"+initials(u.Email)+".png")
	}
	if u.CreatedAt.IsZero() {
		u.CreatedAt = now
	}
	if u.UpdatedAt.IsZero() {
		u.UpdatedAt = now
	}
	if len(u.Identities) == 0 {
		provider, id, _ := strings.Cut(u.ID, "|")
		u.Identities = []Identity{{Connection: c.Name, UserID: id, Provider: provider, IsSocial: social(provider)}}
	}
}

func initials(email string) string {
	return strings.ToLower((email + "xx")[:2])
}

// User returns the user with that id.
func (t *Tenant) User(id string) (User, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	u, ok := t.users[id]
	if !ok {
		return User{}, false
	}
	return u.copy(), true
}

// UpdateUser changes a user, for example to block or to link it.
func (t *Tenant) UpdateUser(id string, change func(u *User)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u, ok := t.users[id]; ok {
		change(u)
	}
}

// DeleteUser removes a user; its refresh tokens answer accordingly.
func (t *Tenant) DeleteUser(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.users, id)
}

func (u *User) copy() User {
	same := *u
	same.Identities = slices.Clone(u.Identities)
	same.Claims = maps.Clone(u.Claims)
	return same
}

// usersOf returns the users that a connection may sign in, in a stable order.
func (t *Tenant) usersOf(connection string) []User {
	t.mu.Lock()
	defer t.mu.Unlock()
	var users []User
	for _, id := range slices.Sorted(maps.Keys(t.users)) {
		if t.users[id].Connection == connection {
			users = append(users, t.users[id].copy())
		}
	}
	return users
}

// profile is the whole normalized user profile, the legacy shape and that of the Management API.
func (u User) profile() map[string]any {
	p := maps.Clone(u.Claims)
	if p == nil {
		p = map[string]any{}
	}
	maps.Copy(p, map[string]any{
		"user_id": u.ID, "name": u.Name, "nickname": u.Nickname, "picture": u.Picture,
		"identities": u.Identities, "created_at": isoTime(u.CreatedAt), "updated_at": isoTime(u.UpdatedAt),
	})
	if u.Email != "" {
		p["email"], p["email_verified"] = u.Email, u.EmailVerified
	}
	for name, value := range map[string]string{
		"given_name": u.GivenName, "family_name": u.FamilyName, "phone_number": u.PhoneNumber,
	} {
		if value != "" {
			p[name] = value
		}
	}
	return p
}

// isoTime is how Auth0 writes updated_at everywhere, though OpenID Connect wants a number.
func isoTime(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000Z") }
