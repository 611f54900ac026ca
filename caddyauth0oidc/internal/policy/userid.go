package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Shown is a connection, and the one that the ids of its users are shown to be of.
type Shown struct {
	Connection Connection
	As         Connection // the zero value for the connection itself
}

// UserIDs knows how user ids are shown, so that an application goes on to know its users
// when they come through another connection to the same child tenant. The zero value
// shows them as they are. It is safe for concurrent use.
type UserIDs struct {
	spaces  []space // of all connections
	renamed []space // those whose ids are shown as others
	any     bool    // a connection has no ids of its own
}

// space are the ids with one beginning, strategy|name|, and what it is shown as. Names
// have no bars, so that the ids of two spaces are never the same.
type space struct{ is, as string }

var (
	errUnfixed  = errors.New("the ids of its users can begin in several ways; write its strategy, auth0-oidc or oidc")
	errShownAs  = errors.New("ids are shown as those of a strategy auth0-oidc or oidc; write one of the two")
	errShownAny = errors.New("beside it a connection of the strategy any lets in users who really have such ids; give each a directive of its own")
	errShownIs  = errors.New("this is how its ids are; leave the setting out, or write the old strategy or name")
	errShared   = errors.New("users of another connection of this directive have, or are shown with, the same ids; leave one of the two out")
)

// NewUserIDs checks that no two users are shown with the same id, and that no id that is
// shown is that of a user of another of the connections.
func NewUserIDs(all []Shown) (UserIDs, error) {
	var u UserIDs
	for i, one := range all {
		if one.As != (Connection{}) {
			if err := one.check(slices.Delete(slices.Clone(all), i, i+1)); err != nil {
				return UserIDs{}, fmt.Errorf("checking how the user ids of the connection %q are shown: %w", one.Connection.Name, err)
			}
			u.renamed = append(u.renamed, one.spaces()...)
		}
		u.spaces = append(u.spaces, one.spaces()...)
		u.any = u.any || one.Connection.Strategy == StrategyAny
	}
	return u, nil
}

func (s Shown) check(others []Shown) error {
	switch {
	case !s.Connection.isFixed():
		return errUnfixed
	case !s.As.isFixed():
		return errShownAs
	case s.As == s.Connection:
		return errShownIs
	}
	own := s.spaces()[0]
	for _, other := range others {
		if other.Connection.Strategy == StrategyAny {
			return errShownAny
		}
		for _, of := range other.spaces() {
			if of.is == own.is || of.is == own.as || of.as == own.as {
				return errShared
			}
		}
	}
	return nil
}

// isFixed reports whether all ids of the connection's users begin alike.
func (c Connection) isFixed() bool {
	return c.Strategy == StrategyAuth0OIDC || c.Strategy == StrategyOIDC
}

// spaces are those of the connection; none for the strategy any.
func (s Shown) spaces() []space {
	begin := func(strategy, name string) string { return strategy + "|" + name + "|" }
	switch {
	case s.As != (Connection{}):
		return []space{{begin(s.Connection.Strategy, s.Connection.Name), begin(s.As.Strategy, s.As.Name)}}
	case s.Connection.Strategy == StrategyAny:
		return nil
	}
	var all []space
	for _, strategy := range []string{StrategyAuth0OIDC, StrategyOIDC} {
		if s.Connection.Strategy == strategy || s.Connection.Strategy == StrategyAuto {
			own := begin(strategy, s.Connection.Name)
			all = append(all, space{own, own})
		}
	}
	return all
}

// Show gives the id with which a user is shown. It takes the verified user_id of whom
// Connections.Judge lets pass; what stands behind strategy and connection stays as it is,
// and every other id too.
func (u UserIDs) Show(userID string) string {
	for _, s := range u.renamed {
		if rest, ok := strings.CutPrefix(userID, s.is); ok && rest != "" {
			return s.as + rest
		}
	}
	return userID
}

// Takes reports whether an id is one with which users of the connections are shown, and
// gives the real id of the user who is.
func (u UserIDs) Takes(userID string) (realID string, taken bool) {
	for _, s := range u.renamed {
		if rest, ok := strings.CutPrefix(userID, s.as); ok && rest != "" {
			return s.is + rest, true
		}
	}
	return "", false
}

// Clashes reports whether one user could be shown with two ids, or two users with one, by
// two directives of the same tenant; those that show ids as they are never do.
func (u UserIDs) Clashes(other UserIDs) bool {
	if len(u.renamed) == 0 && len(other.renamed) == 0 {
		return false
	}
	if u.any || other.any {
		return true
	}
	for _, one := range u.spaces {
		for _, two := range other.spaces {
			if (one.is == two.is) != (one.as == two.as) {
				return true
			}
		}
	}
	return false
}
