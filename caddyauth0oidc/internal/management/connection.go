package management

import (
	"context"
	"net/http"
	"net/url"
)

const enabledPerPage = "100"

// Connection is a connection of a tenant, as the Management API shows it.
type Connection struct {
	// ID begins with con_.
	ID string `json:"id"`
	// Name and Strategy cannot be changed.
	Name     string `json:"name"`
	Strategy string `json:"strategy"`
	// Options are nil if the token may not see them.
	Options map[string]any `json:"options"`
}

// connectionNamed gives the connection of that name, nil if there is none.
func (t Tenant) connectionNamed(ctx context.Context, name string) (*Connection, error) {
	var answer struct {
		Connections []Connection `json:"connections"`
	}
	err := t.do(ctx, operation{
		doing: "looking for the connection", scopes: []string{"read:connections"},
		method: http.MethodGet, path: []string{"connections"}, receive: &answer,
		query: url.Values{"name": {name}, "take": {"2"}},
	})
	if err != nil {
		return nil, err
	}
	for _, c := range answer.Connections {
		if c.Name == name {
			return &c, nil
		}
	}
	return nil, nil
}

// enabledClients gives the client ids for which a connection is enabled.
func (t Tenant) enabledClients(ctx context.Context, id string) ([]string, error) {
	var ids []string
	query := url.Values{"take": {enabledPerPage}}
	for range maxPages {
		var answer struct {
			Clients []Application `json:"clients"`
			Next    string        `json:"next"`
		}
		err := t.do(ctx, operation{
			doing: "reading who may use the connection", scopes: []string{"read:connections"},
			method: http.MethodGet, path: []string{"connections", id, "clients"}, receive: &answer, query: query,
		})
		if err != nil {
			return nil, err
		}
		for _, a := range answer.Clients {
			ids = append(ids, a.ID())
		}
		if answer.Next == "" {
			break
		}
		query.Set("from", answer.Next)
	}
	return ids, nil
}

func (t Tenant) createConnection(ctx context.Context, body map[string]any) (Connection, error) {
	var c Connection
	err := t.do(ctx, operation{
		doing: "creating the connection", scopes: []string{"create:connections"},
		method: http.MethodPost, path: []string{"connections"}, send: body, receive: &c,
	})
	return c, err
}

// updateOptions replaces the options as a whole.
func (t Tenant) updateOptions(ctx context.Context, id string, options map[string]any) error {
	return t.do(ctx, operation{
		doing: "changing the connection's options", scopes: []string{"update:connections", "update:connections_options"},
		method: http.MethodPatch, path: []string{"connections", id}, send: map[string]any{"options": options},
	})
}

func (t Tenant) deleteConnection(ctx context.Context, id string) error {
	return t.do(ctx, operation{
		doing: "deleting the connection", scopes: []string{"delete:connections"},
		method: http.MethodDelete, path: []string{"connections", id},
	})
}

func (t Tenant) enable(ctx context.Context, id, clientID string, on bool) error {
	doing := "enabling the connection"
	if !on {
		doing = "disabling the connection"
	}
	return t.do(ctx, operation{
		doing: doing, scopes: []string{"update:connections"},
		method: http.MethodPatch, path: []string{"connections", id, "clients"},
		send: []map[string]any{{"client_id": clientID, "status": on}},
	})
}
