package auth0sim

// LinkUsers makes the secondary user a further identity of the primary one, as POST /api/v2/users/{id}/identities does: the
// secondary user is gone, and whoever signs in with its account is the primary user from then on.
func (t *Tenant) LinkUsers(primary, secondary string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	user, linked := t.users[primary], t.users[secondary]
	if user == nil || linked == nil || user == linked {
		return
	}
	for _, identity := range linked.Identities {
		if identity.ProfileData == nil {
			identity.ProfileData = linked.profileData()
		}
		user.Identities = append(user.Identities, identity)
	}
	delete(t.users, secondary)
}

// profileData is what a linked identity keeps of its profile.
func (u *User) profileData() map[string]any {
	data := map[string]any{}
	for name, value := range u.profile() {
		switch name {
		case "user_id", "identities", "created_at", "updated_at":
		default:
			data[name] = value
		}
	}
	return data
}

// signInLinked takes over what a login brought to an identity that is a further one of some user, and gives that user's id.
// The caller holds the lock.
func (t *Tenant) signInLinked(came Identity) (userID string, found bool) {
	for id, user := range t.users {
		for i := range user.Identities {
			known := &user.Identities[i]
			if i > 0 && known.Provider == came.Provider && known.UserID == came.UserID {
				known.AccessToken = came.AccessToken
				return id, true
			}
		}
	}
	return "", false
}
