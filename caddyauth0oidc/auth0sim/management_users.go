package auth0sim

import (
	"net/http"
	"slices"
	"strings"
)

// userFields are the only names that fields may list.
var userFields = strings.Fields("phone_number email email_verified picture username user_id name nickname created_at " +
	"identities app_metadata user_metadata last_ip last_login logins_count updated_at blocked family_name given_name")

func (t *Tenant) readUser(w http.ResponseWriter, r *http.Request, token accessGrant) *managementError {
	q := r.URL.Query()
	for _, name := range strings.Split(q.Get("fields"), ",") {
		if name != "" && !slices.Contains(userFields, name) {
			return &managementError{
				StatusCode: http.StatusBadRequest, ErrorCode: "invalid_query_string",
				Message: "Query validation error: 'String does not match pattern' on property fields.",
			}
		}
	}
	if !token.mayRead(r.PathValue("id")) {
		return insufficientScope("read:users")
	}
	user, ok := t.User(r.PathValue("id"))
	if !ok {
		return &managementError{
			StatusCode: http.StatusNotFound, ErrorCode: "inexistent_user", Message: "The user does not exist.",
		}
	}
	body := []map[string]any{user.managementBody(token)}
	writeJSON(w, http.StatusOK, selected(q.Get("fields"), q.Get("include_fields"), body)[0])
	return nil
}

// managementBody has the identity providers' tokens only for tokens with read:user_idp_tokens.
func (u User) managementBody(token accessGrant) map[string]any {
	body := u.profile()
	if !token.has("read:user_idp_tokens") {
		body["identities"] = withoutTokens(u.Identities)
	}
	if u.AppMetadata != nil {
		body["app_metadata"] = u.AppMetadata
	}
	if u.UserMetadata != nil {
		body["user_metadata"] = u.UserMetadata
	}
	if u.Blocked {
		body["blocked"] = true
	}
	if u.LoginsCount > 0 {
		body["logins_count"], body["last_login"], body["last_ip"] = u.LoginsCount, isoTime(u.LastLogin), "192.0.2.1"
	}
	return body
}
