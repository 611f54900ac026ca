package monitoring

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// panel has the members of Grafana's JSON model that are looked at.
type panel struct {
	ID         int
	Title      string
	Type       string
	Datasource map[string]string
	GridPos    struct{ X, Y, W, H int }
	Targets    []struct {
		Expr       string
		RefID      string
		Datasource map[string]string
	}
}

// Grafana can show every panel: no two are the same or lie on each other, each asks the
// chosen data source, and Prometheus understands what it asks.
func TestEachPanelAsksWhatPrometheusUnderstands(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		UID, Title    string
		SchemaVersion int
		Panels        []panel
		Templating    struct {
			List []struct{ Name, Type string }
		}
	}
	if err := json.Unmarshal(read(t, filepath.Join(folder, "dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	if variables := dashboard.Templating.List; dashboard.UID == "" || dashboard.Title == "" || dashboard.SchemaVersion < 39 || variables[0].Name != "datasource" || variables[0].Type != "datasource" {
		t.Errorf("%s %q, schema %d, variables %v", dashboard.UID, dashboard.Title, dashboard.SchemaVersion, dashboard.Templating.List)
	}
	ids, taken, queries := make(map[int]bool), make(map[[2]int]string), 0
	for _, p := range dashboard.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("%q has the id %d", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q lies on %q, or outside", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%q asks nothing", p.Title)
		}
		for _, target := range p.Targets {
			queries++
			if target.Datasource["uid"] != "${datasource}" || target.Datasource["type"] != "prometheus" {
				t.Errorf("%q asks %v", p.Title, target.Datasource)
			}
			asked := strings.NewReplacer("$__rate_interval", "1m", "$issuer", ".*", "$client_id", ".*").Replace(target.Expr)
			if _, err := parsing.ParseExpr(asked); err != nil || strings.Contains(asked, "$") {
				t.Errorf("%q: %s: %v", p.Title, asked, err)
			}
		}
	}
	if queries < 25 {
		t.Errorf("only %d queries", queries)
	}
}
