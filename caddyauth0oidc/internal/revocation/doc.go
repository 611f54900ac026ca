// Package revocation answers which sessions were ended before their time.
//
// It is the room for marks of revoked sid and sub, and of logout tokens that
// were seen, over a small Store interface that Caddy's storage satisfies.
// Nothing is in it yet: a session ends by its limits, by a logout in its own
// browser, or with the secret that sealed it.
package revocation
