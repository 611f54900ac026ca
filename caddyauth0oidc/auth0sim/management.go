package auth0sim

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// managementError is the error envelope of the Management API.
type managementError struct {
	StatusCode int    `json:"statusCode"`
	Error      string `json:"error"`
	Message    string `json:"message"`
	ErrorCode  string `json:"errorCode,omitempty"`
}

// pageLimit is how long a page of a list may be.
const pageLimit = 100

// managementHandler gets a token whose scopes suffice.
type managementHandler func(w http.ResponseWriter, r *http.Request, token accessGrant) *managementError

func (t *Tenant) addManagementRoutes(mux *http.ServeMux) {
	for _, route := range []struct {
		pattern string
		handler managementHandler
		scopes  []string
	}{
		{"POST /api/v2/connections", t.createConnection, []string{"create:connections"}},
		{"GET /api/v2/connections", t.listConnections, []string{"read:connections"}},
		{"GET /api/v2/connections/{id}", t.readConnection, []string{"read:connections"}},
		{"PATCH /api/v2/connections/{id}", t.updateConnection, []string{"update:connections"}},
		{"DELETE /api/v2/connections/{id}", t.deleteConnection, []string{"delete:connections"}},
		{"GET /api/v2/connections/{id}/clients", t.readEnabledClients, []string{"read:connections"}},
		{"PATCH /api/v2/connections/{id}/clients", t.updateEnabledClients, []string{"update:connections"}},
		{"GET /api/v2/users/{id}", t.readUser, []string{"read:users", "read:current_user", "read:user_idp_tokens"}},
		{"GET /api/v2/clients", t.listClients, []string{"read:clients", "read:client_keys"}},
		{"GET /api/v2/clients/{id}", t.readClient, []string{"read:clients", "read:client_keys"}},
		{"POST /api/v2/clients", t.createClient, []string{"create:clients"}},
		{"DELETE /api/v2/clients/{id}", t.deleteClient, []string{"delete:clients"}},
		{"PATCH /api/v2/clients/{id}", t.updateClient, []string{"update:clients"}},
		{"GET /api/v2/tenants/settings", t.readSettings, []string{"read:tenant_settings"}},
	} {
		mux.HandleFunc(route.pattern, t.authorized(route.handler, route.scopes))
	}
}

// ManagementAudience is the identifier of the tenant's Management API, its slash included.
func (t *Tenant) ManagementAudience() string { return t.base() + "/api/v2/" }

// AddManagementClient registers a machine-to-machine application that may get Management tokens with these scopes.
func (t *Tenant) AddManagementClient(scopes ...string) *Application {
	return t.AddApplication(Application{
		Name: "Management", AppType: "non_interactive", GrantTypes: []string{"client_credentials"},
		Grants: map[string][]string{t.ManagementAudience(): scopes},
	})
}

// authorized lets a request pass whose token has any of the scopes.
func (t *Tenant) authorized(next managementHandler, scopes []string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, ok := t.managementGrant(r)
		var problem *managementError
		switch {
		case !ok:
			problem = &managementError{StatusCode: http.StatusUnauthorized, Message: "Invalid token"}
		case !slices.ContainsFunc(scopes, token.has):
			problem = insufficientScope(scopes...)
		case number(r.URL.Query().Get("per_page"), 0) > pageLimit || number(r.URL.Query().Get("take"), 0) > pageLimit:
			problem = &managementError{
				StatusCode: http.StatusBadRequest, ErrorCode: "invalid_query_string",
				Message: "Query validation error: 'Value is greater than maximum 100'.",
			}
		default:
			problem = next(w, r, token)
		}
		if problem != nil {
			problem.Error = http.StatusText(problem.StatusCode)
			writeJSON(w, problem.StatusCode, problem)
		}
	}
}

func insufficientScope(scopes ...string) *managementError {
	return &managementError{
		StatusCode: http.StatusForbidden, ErrorCode: "insufficient_scope",
		Message: "Insufficient scope, expected any of: " + strings.Join(scopes, ","),
	}
}

func invalidBody(message string) *managementError {
	return &managementError{
		StatusCode: http.StatusBadRequest, ErrorCode: "invalid_body", Message: "Payload validation error: " + message,
	}
}

// readBody decodes an object and refuses members that the endpoint does not know.
func readBody(r *http.Request, known ...string) (map[string]any, *managementError) {
	var body map[string]any
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&body); err != nil || body == nil {
		return nil, invalidBody("'Expected type object'.")
	}
	for name := range body {
		if !slices.Contains(known, name) {
			return nil, invalidBody("'Additional properties not allowed: " + name + "'.")
		}
	}
	return body, nil
}

// readChange decodes the body of an update, which has to say something.
func readChange(r *http.Request, known ...string) (map[string]any, *managementError) {
	body, problem := readBody(r, known...)
	if problem == nil && len(body) == 0 {
		problem = invalidBody("'Too few properties defined (0), minimum 1'.")
	}
	return body, problem
}

// paged answers with a plain list, with totals, or from a checkpoint, as the query asks. A list that is not the whole
// collection is cut to the page.
func paged(w http.ResponseWriter, r *http.Request, name string, items []map[string]any) {
	q := r.URL.Query()
	total := len(items)
	perPage := number(q.Get("per_page"), 50)
	start := number(q.Get("page"), 0) * perPage
	if q.Has("take") || q.Has("from") {
		perPage, start = number(q.Get("take"), 50), number(q.Get("from"), 0)
	}
	start = min(start, total)
	end := min(start+perPage, total)
	items = selected(q.Get("fields"), q.Get("include_fields"), items[start:end])
	switch {
	case q.Has("take") || q.Has("from"):
		body := map[string]any{name: items}
		if end < total {
			body["next"] = strconv.Itoa(end)
		}
		writeJSON(w, http.StatusOK, body)
	case q.Get("include_totals") == "true":
		writeJSON(w, http.StatusOK, map[string]any{"start": start, "limit": perPage, "total": total, name: items})
	default:
		writeJSON(w, http.StatusOK, items)
	}
}

func number(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return min(n, 1000)
	}
	return otherwise
}

// selected applies fields and include_fields.
func selected(fields, include string, items []map[string]any) []map[string]any {
	result := []map[string]any{}
	for _, item := range items {
		kept := map[string]any{}
		for name, value := range item {
			listed := slices.Contains(strings.Split(fields, ","), name)
			if fields == "" || listed != (include == "false") {
				kept[name] = value
			}
		}
		result = append(result, kept)
	}
	return result
}

func stringList(raw any) []string {
	list := []string{}
	items, _ := raw.([]any)
	for _, item := range items {
		if text, ok := item.(string); ok {
			list = append(list, text)
		}
	}
	return list
}

func orEmpty(list []string) []string { return append([]string{}, list...) }
