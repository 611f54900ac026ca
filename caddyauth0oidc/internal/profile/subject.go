package profile

import "strings"

// Subject is a user_id taken apart:
//
//	auth0-oidc|acme-child|google-oauth2|1035
//	strategy   connection child connection and child user id
//
// A part that the user_id does not have is empty.
type Subject struct {
	UserID          string // the whole
	Strategy        string // before the first bar
	Connection      string // the master tenant's connection, for strategies whose ids carry it
	Child           string // the user's whole sub in the child tenant
	ChildConnection string // the child's part before its first bar, which Auth0 calls the child connection
	ChildUserID     string // the rest of the child, further bars included
}

// ParseSubject takes a user_id apart. A user_id without a bar, such as the
// client_id@clients of a machine, has no parts. Only the first two bars, and the
// first one in the child, separate: a child's own id may contain more.
func ParseSubject(userID string) Subject {
	s := Subject{UserID: userID}
	strategy, rest, found := strings.Cut(userID, "|")
	if !found {
		return s
	}
	s.Strategy = strategy
	if !namesConnection(strategy) {
		return s
	}
	connection, child, found := strings.Cut(rest, "|")
	if !found {
		return s
	}
	s.Connection = connection
	if strategy != "auth0-oidc" && strategy != "oidc" {
		return s
	}
	s.Child = child
	if s.ChildConnection, s.ChildUserID, found = strings.Cut(child, "|"); !found {
		s.ChildConnection, s.ChildUserID = "", child
	}
	return s
}

// Subject takes the user id apart. That of a foreign user has no child: an application that
// knows its users by the child's id would take them for somebody else.
func (p *Profile) Subject() Subject {
	s := ParseSubject(p.UserID)
	if p.isForeign() {
		s.Child, s.ChildConnection, s.ChildUserID = "", "", ""
	}
	return s
}

// namesConnection reports whether user ids of the strategy are
// strategy|connection|id, as those of social and database strategies are not.
// See https://auth0.com/docs/manage-users/user-accounts/identify-users.
func namesConnection(strategy string) bool {
	switch strategy {
	case "auth0-oidc", "oidc", "samlp", "waad", "ad", "adfs", "auth0-adldap",
		"google-apps", "ip", "office365", "pingfederate", "sharepoint":
		return true
	}
	return false
}
