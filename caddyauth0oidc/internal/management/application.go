package management

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

const (
	applicationsPerPage = 100

	// maxPages bounds the reading of lists. Auth0 gives no more than a thousand results by pages.
	maxPages = 20
)

// Application is an application of a tenant, as the Management API shows it.
type Application map[string]any

// ID is the client id.
func (a Application) ID() string { return a.text("client_id") }

// Name is what the operator called it.
func (a Application) Name() string { return a.text("name") }

// Secret is the client secret, empty if the token may not see it.
func (a Application) Secret() string { return a.text("client_secret") }

func (a Application) text(name string) string {
	text, _ := a[name].(string)
	return text
}

func (a Application) list(name string) []string { return texts(a[name]) }

// texts gives the strings of a JSON array.
func texts(value any) []string {
	var list []string
	items, _ := value.([]any)
	for _, item := range items {
		if text, ok := item.(string); ok {
			list = append(list, text)
		}
	}
	return list
}

// application reads one by its client id.
func (t Tenant) application(ctx context.Context, id string) (Application, error) {
	var a Application
	err := t.do(ctx, operation{
		doing: "reading an application", scopes: []string{"read:clients"},
		method: http.MethodGet, path: []string{"clients", id}, receive: &a,
	})
	return a, err
}

// applicationsNamed gives the client ids of all applications of that name; names are not unique.
func (t Tenant) applicationsNamed(ctx context.Context, name string) ([]string, error) {
	var ids []string
	for page := range maxPages {
		var answer struct {
			Total   int           `json:"total"`
			Clients []Application `json:"clients"`
		}
		err := t.do(ctx, operation{
			doing: "listing the applications", scopes: []string{"read:clients"},
			method: http.MethodGet, path: []string{"clients"}, receive: &answer,
			query: url.Values{
				"fields": {"client_id,name"}, "include_fields": {"true"}, "include_totals": {"true"},
				"page": {strconv.Itoa(page)}, "per_page": {strconv.Itoa(applicationsPerPage)},
			},
		})
		if err != nil {
			return nil, err
		}
		for _, a := range answer.Clients {
			if a.Name() == name {
				ids = append(ids, a.ID())
			}
		}
		if len(answer.Clients) == 0 || (page+1)*applicationsPerPage >= answer.Total {
			break
		}
	}
	return ids, nil
}

func (t Tenant) createApplication(ctx context.Context, body map[string]any) (Application, error) {
	var a Application
	err := t.do(ctx, operation{
		doing: "creating the application", scopes: []string{"create:clients"},
		method: http.MethodPost, path: []string{"clients"}, send: body, receive: &a,
	})
	return a, err
}

func (t Tenant) updateApplication(ctx context.Context, id string, body map[string]any) error {
	return t.do(ctx, operation{
		doing: "changing the application", scopes: []string{"update:clients"},
		method: http.MethodPatch, path: []string{"clients", id}, send: body,
	})
}

func (t Tenant) deleteApplication(ctx context.Context, id string) error {
	return t.do(ctx, operation{
		doing: "deleting the application", scopes: []string{"delete:clients"},
		method: http.MethodDelete, path: []string{"clients", id},
	})
}
