package profile

// fields are the claims whose text is at hand, so that nothing is decoded for them.
var fields = map[string]func(*Profile) string{
	"id":             func(p *Profile) string { return p.UserID },
	"sub":            func(p *Profile) string { return p.UserID },
	"user_id":        func(p *Profile) string { return p.UserID },
	"name":           func(p *Profile) string { return p.Name },
	"nickname":       func(p *Profile) string { return p.Nickname },
	"given_name":     func(p *Profile) string { return p.GivenName },
	"family_name":    func(p *Profile) string { return p.FamilyName },
	"email":          func(p *Profile) string { return p.Email },
	"email_verified": func(p *Profile) string { return p.EmailVerified },
	"picture":        func(p *Profile) string { return p.Picture },
	"updated_at":     func(p *Profile) string { return p.UpdatedAt },
	"created_at":     func(p *Profile) string { return p.CreatedAt },
	"client_id":      func(p *Profile) string { return p.ClientID },
	"org_id":         func(p *Profile) string { return p.OrgID },
	"org_name":       func(p *Profile) string { return p.OrgName },

	"strategy":         func(p *Profile) string { return p.Subject().Strategy },
	"connection":       func(p *Profile) string { return p.Subject().Connection },
	"child_user":       func(p *Profile) string { return p.Subject().Child },
	"child_connection": func(p *Profile) string { return p.Subject().ChildConnection },
	"child_user_id":    func(p *Profile) string { return p.Subject().ChildUserID },
}

// Field gives, for a path that names a field of the profile or a part of the
// user_id, what reads its text; for every other path nil. It is Text of what
// Claim finds there, empty for what was not sent, and takes no memory.
func Field(path string) func(*Profile) string { return fields[path] }
