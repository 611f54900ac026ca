package auth0sim

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"slices"
)

var (
	connectionName = regexp.MustCompile(`^[a-zA-Z0-9](-[a-zA-Z0-9]|[a-zA-Z0-9])*$`)
	strategies     = []string{
		"ad", "adfs", "auth0", "auth0-oidc", "facebook", "github", "google-apps", "google-oauth2", "linkedin", "oidc",
		"okta", "samlp", "waad", "windowslive",
	}
	updatable = []string{
		"display_name", "options", "enabled_clients", "is_domain_connection", "show_as_button", "realms", "metadata",
		"authentication", "connected_accounts",
	}
)

// connectionLimit is the length limit of names; enabledLimit how many clients one request may enable.
const (
	connectionLimit = 128
	enabledLimit    = 50
)

func (t *Tenant) createConnection(w http.ResponseWriter, r *http.Request, token accessGrant) *managementError {
	body, problem := readBody(r, append([]string{"name", "strategy"}, updatable...)...)
	if problem != nil {
		return problem
	}
	name, _ := body["name"].(string)
	strategy, _ := body["strategy"].(string)
	switch {
	case len(name) > connectionLimit || !connectionName.MatchString(name):
		return invalidBody("'String does not match pattern' on property name.")
	case !slices.Contains(strategies, strategy):
		return invalidBody("'No enum match' on property strategy.")
	}
	c := Connection{Name: name, Strategy: strategy}
	c.apply(body)
	if problem := c.judgeOptions(); problem != nil {
		return problem
	}
	if _, exists := t.connectionNamed(name); exists {
		return &managementError{
			StatusCode: http.StatusConflict, ErrorCode: "connection_conflict",
			Message: "A connection with the same name already exists",
		}
	}
	writeJSON(w, http.StatusCreated, t.connectionBody(*t.AddConnection(c), token))
	return nil
}

// judgeOptions refuses a federated connection that could not send anybody anywhere.
func (c Connection) judgeOptions() *managementError {
	switch {
	case !c.federated():
		return nil
	case c.option("client_id") == "":
		return invalidBody("'Missing required property: client_id' on property options.")
	case c.Strategy == "oidc" && c.option("discovery_url") == "" && c.option("issuer") == "":
		return invalidBody("'Missing required property: discovery_url or issuer' on property options.")
	}
	return nil
}

// apply takes over the members that a body has; options replace the stored ones as a whole.
func (c *Connection) apply(body map[string]any) {
	if options, ok := body["options"].(map[string]any); ok {
		c.Options = options
	}
	if metadata, ok := body["metadata"].(map[string]any); ok {
		c.Metadata = metadata
	}
	if name, ok := body["display_name"].(string); ok {
		c.DisplayName = name
	}
	if on, ok := body["show_as_button"].(bool); ok {
		c.ShowAsButton = on
	}
	if on, ok := body["is_domain_connection"].(bool); ok {
		c.IsDomainConnection = on
	}
	if _, ok := body["enabled_clients"]; ok {
		c.EnabledClients = stringList(body["enabled_clients"])
	}
}

func (t *Tenant) connectionBody(c Connection, token accessGrant) map[string]any {
	c = c.copy()
	body := map[string]any{
		"id": c.ID, "name": c.Name, "strategy": c.Strategy, "options": c.Options, "realms": []string{c.Name},
		"enabled_clients": orEmpty(c.EnabledClients), "is_domain_connection": c.IsDomainConnection,
		"show_as_button": c.ShowAsButton,
	}
	if c.DisplayName != "" {
		body["display_name"] = c.DisplayName
	}
	if c.Metadata != nil {
		body["metadata"] = c.Metadata
	}
	if t.settings().HideConnectionOptions && !token.has("read:connections_options") {
		delete(body, "options")
	}
	if t.settings().HideConnectionSecrets && !token.has("read:connections_options") {
		delete(c.Options, "client_secret")
	}
	return body
}

func (t *Tenant) listConnections(w http.ResponseWriter, r *http.Request, token accessGrant) *managementError {
	q := r.URL.Query()
	t.mu.Lock()
	var found []Connection
	for _, c := range t.connections {
		if (!q.Has("name") || q.Get("name") == c.Name) &&
			(!q.Has("strategy") || slices.Contains(q["strategy"], c.Strategy)) {
			found = append(found, c.copy())
		}
	}
	t.mu.Unlock()
	bodies := []map[string]any{}
	for _, c := range found {
		bodies = append(bodies, t.connectionBody(c, token))
	}
	paged(w, r, "connections", bodies)
	return nil
}

func (t *Tenant) connectionOf(r *http.Request) (Connection, *managementError) {
	c, ok := t.connection(func(c *Connection) bool { return c.ID == r.PathValue("id") })
	if !ok {
		return c, &managementError{
			StatusCode: http.StatusNotFound, ErrorCode: "inexistent_connection", Message: "The connection does not exist",
		}
	}
	return c, nil
}

func (t *Tenant) readConnection(w http.ResponseWriter, r *http.Request, token accessGrant) *managementError {
	c, problem := t.connectionOf(r)
	if problem != nil {
		return problem
	}
	q := r.URL.Query()
	body := []map[string]any{t.connectionBody(c, token)}
	writeJSON(w, http.StatusOK, selected(q.Get("fields"), q.Get("include_fields"), body)[0])
	return nil
}

func (t *Tenant) updateConnection(w http.ResponseWriter, r *http.Request, token accessGrant) *managementError {
	changed, problem := t.connectionOf(r)
	if problem != nil {
		return problem
	}
	// name and strategy are among what is refused here: they cannot be changed.
	body, problem := readChange(r, updatable...)
	if problem != nil {
		return problem
	}
	if _, ok := body["options"]; ok && t.settings().HideConnectionOptions && !token.has("update:connections_options") {
		return insufficientScope("update:connections_options")
	}
	changed.apply(body)
	if _, ok := body["options"]; ok {
		problem = changed.judgeOptions()
	}
	if problem != nil {
		return problem
	}
	t.changeConnection(r.PathValue("id"), func(c *Connection) { c.apply(body) })
	c, problem := t.connectionOf(r)
	if problem != nil {
		return problem
	}
	writeJSON(w, http.StatusOK, t.connectionBody(c, token))
	return nil
}

func (t *Tenant) changeConnection(id string, change func(c *Connection)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.connections {
		if c.ID == id {
			change(c)
		}
	}
}

func (t *Tenant) deleteConnection(w http.ResponseWriter, r *http.Request, _ accessGrant) *managementError {
	if _, problem := t.connectionOf(r); problem != nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	t.mu.Lock()
	t.connections = slices.DeleteFunc(t.connections, func(c *Connection) bool { return c.ID == r.PathValue("id") })
	t.mu.Unlock()
	writeJSON(w, http.StatusAccepted, map[string]any{"deleted_at": isoTime(t.now())})
	return nil
}

func (t *Tenant) readEnabledClients(w http.ResponseWriter, r *http.Request, _ accessGrant) *managementError {
	c, problem := t.connectionOf(r)
	if problem != nil {
		return problem
	}
	clients := []map[string]any{}
	for _, id := range c.EnabledClients {
		clients = append(clients, map[string]any{"client_id": id})
	}
	// This endpoint always answers from a checkpoint.
	q := r.URL.Query()
	if !q.Has("take") {
		q.Set("take", "50")
	}
	r.URL.RawQuery = q.Encode()
	paged(w, r, "clients", clients)
	return nil
}

func (t *Tenant) updateEnabledClients(w http.ResponseWriter, r *http.Request, _ accessGrant) *managementError {
	c, problem := t.connectionOf(r)
	if problem != nil {
		return problem
	}
	var changes []struct {
		ClientID string `json:"client_id"`
		Status   *bool  `json:"status"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&changes); err != nil ||
		len(changes) == 0 || len(changes) > enabledLimit {
		return invalidBody("'Expected an array of 1 to 50 clients'.")
	}
	for _, change := range changes {
		if change.ClientID == "" || change.Status == nil {
			return invalidBody("'Missing required property: client_id or status'.")
		}
		if _, ok := t.application(change.ClientID); !ok && *change.Status {
			return inexistentClient()
		}
	}
	t.changeConnection(c.ID, func(c *Connection) {
		for _, change := range changes {
			c.setEnabled(*change.Status, change.ClientID)
		}
	})
	w.WriteHeader(http.StatusNoContent)
	return nil
}
