package auth0sim

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

func (t *Tenant) listClients(w http.ResponseWriter, r *http.Request, token accessGrant) *managementError {
	t.mu.Lock()
	var apps []Application
	for _, id := range slices.Sorted(maps.Keys(t.applications)) {
		apps = append(apps, *t.applications[id])
	}
	t.mu.Unlock()
	bodies := []map[string]any{}
	for _, app := range apps {
		bodies = append(bodies, t.clientBody(app, token))
	}
	paged(w, r, "clients", bodies)
	return nil
}

func (t *Tenant) readClient(w http.ResponseWriter, r *http.Request, token accessGrant) *managementError {
	app, ok := t.application(r.PathValue("id"))
	if !ok {
		return inexistentClient()
	}
	q := r.URL.Query()
	body := []map[string]any{t.clientBody(app, token)}
	writeJSON(w, http.StatusOK, selected(q.Get("fields"), q.Get("include_fields"), body)[0])
	return nil
}

func inexistentClient() *managementError {
	return &managementError{
		StatusCode: http.StatusNotFound, ErrorCode: "inexistent_client", Message: "The client does not exist",
	}
}

// clientBody shows the secret only to tokens with read:client_keys. A client that names no algorithm has none here,
// whatever the tenant's setting of the simulation is.
func (t *Tenant) clientBody(app Application, token accessGrant) map[string]any {
	s := t.settings()
	signing := map[string]any{"lifetime_in_seconds": int(s.IDTokenLifetime / time.Second), "secret_encoded": false}
	alg := app.SigningAlg
	if alg == "" {
		alg = s.SigningAlg
	}
	if alg != "HS256" {
		signing["alg"] = alg
	}
	body := map[string]any{
		"client_id": app.ClientID, "name": app.Name, "app_type": app.AppType, "is_first_party": true,
		"oidc_conformant": !app.Legacy, "callbacks": orEmpty(app.Callbacks),
		"allowed_logout_urls": orEmpty(app.AllowedLogoutURLs), "grant_types": orEmpty(app.GrantTypes),
		"jwt_configuration": signing, "refresh_token": refreshSettings(app),
	}
	addLoginSettings(body, app)
	if app.Description != "" {
		body["description"] = app.Description
	}
	if app.BackchannelLogoutURL != "" {
		body["oidc_logout"] = map[string]any{"backchannel_logout_urls": []string{app.BackchannelLogoutURL}}
	}
	if token.has("read:client_keys") {
		body["client_secret"] = app.ClientSecret
	}
	return body
}

// createClient gives what it is not told the defaults that were recorded: not conformant, and without an algorithm, which
// signs with HS256.
func (t *Tenant) createClient(w http.ResponseWriter, r *http.Request, token accessGrant) *managementError {
	body, problem := readBody(r, slices.Collect(maps.Keys(clientMembers))...)
	if problem == nil {
		problem = judgeClient(body)
	}
	if problem != nil {
		return problem
	}
	if _, ok := body["name"]; !ok {
		return invalidBody("'Missing required property: name'.")
	}
	app := Application{Legacy: true, SigningAlg: defaultSigningAlg, GrantTypes: slices.Clone(createdGrants)}
	app.apply(body)
	writeJSON(w, http.StatusCreated, t.clientBody(*t.AddApplication(app), token))
	return nil
}

// deleteClient succeeds as well when there is no such client any more.
func (t *Tenant) deleteClient(w http.ResponseWriter, r *http.Request, _ accessGrant) *managementError {
	id := r.PathValue("id")
	t.mu.Lock()
	delete(t.applications, id)
	for _, c := range t.connections {
		c.setEnabled(false, id)
	}
	t.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func refreshSettings(app Application) map[string]any {
	settings := map[string]any{
		"rotation_type": "non-rotating", "expiration_type": "non-expiring", "leeway": int(app.Leeway / time.Second),
	}
	if app.Rotation {
		settings["rotation_type"] = "rotating"
	}
	if app.RefreshLifetime != 0 {
		settings["expiration_type"] = "expiring"
		settings["token_lifetime"] = int(app.RefreshLifetime / time.Second)
	}
	return settings
}

func (t *Tenant) updateClient(w http.ResponseWriter, r *http.Request, token accessGrant) *managementError {
	id := r.PathValue("id")
	if _, ok := t.application(id); !ok {
		return inexistentClient()
	}
	body, problem := readChange(r, slices.Collect(maps.Keys(clientMembers))...)
	if problem == nil {
		problem = judgeClient(body)
	}
	if problem != nil {
		return problem
	}
	t.UpdateApplication(id, func(app *Application) { app.apply(body) })
	app, _ := t.application(id)
	writeJSON(w, http.StatusOK, t.clientBody(app, token))
	return nil
}

func (a *Application) apply(body map[string]any) {
	for name, list := range map[string]*[]string{
		"callbacks": &a.Callbacks, "allowed_logout_urls": &a.AllowedLogoutURLs, "grant_types": &a.GrantTypes,
	} {
		if _, ok := body[name]; ok {
			*list = stringList(body[name])
		}
	}
	if conformant, ok := body["oidc_conformant"].(bool); ok {
		a.Legacy = !conformant
	}
	if method, ok := body["token_endpoint_auth_method"].(string); ok {
		a.TokenEndpointAuthMethod = method
	}
	if name, ok := body["name"].(string); ok {
		a.Name = name
	}
	if description, ok := body["description"].(string); ok {
		a.Description = description
	}
	if kind, ok := body["app_type"].(string); ok {
		a.AppType = kind
	}
	if signing, ok := body["jwt_configuration"].(map[string]any); ok {
		a.SigningAlg = defaultSigningAlg
		if alg, ok := signing["alg"].(string); ok {
			a.SigningAlg = alg
		}
	}
	if logout, ok := body["oidc_logout"].(map[string]any); ok {
		a.BackchannelLogoutURL = ""
		if urls := stringList(logout["backchannel_logout_urls"]); len(urls) > 0 {
			a.BackchannelLogoutURL = urls[0]
		}
	}
}
