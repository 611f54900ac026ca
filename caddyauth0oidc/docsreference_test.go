package caddyauth0oidc

import (
	"encoding/json"
	"go/ast"
	"go/token"
	"maps"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/profile"
	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/upstream"
)

// docs/reference.md lists what has a name. What the code can be asked for is compared with it.

// referencePart is what the page says below a heading, or below a bold word at the begin of a paragraph.
func referencePart(t *testing.T, title string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), "\n"+title)
	if !found {
		t.Fatalf("docs/reference.md has no %q", title)
	}
	return part[:len(part)-len(regexp.MustCompile(`(?s)\n(## |\*\*).*$`).FindString(part))]
}

// referenceNames are the names in code of a part, without what varies in them.
func referenceNames(part string) (names []string) {
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(part, -1) {
		names = append(names, m[1])
	}
	return names
}

func referenceWant(t *testing.T, title string, wanted ...string) {
	t.Helper()
	if len(wanted) == 0 {
		t.Fatalf("the code has nothing for %q", title)
	}
	documented := referenceNames(referencePart(t, title))
	for _, name := range wanted {
		if !slices.Contains(documented, name) {
			t.Errorf("docs/reference.md does not have %s in its part %q", name, title)
		}
	}
}

// referenceStrings are the values of the constants of a folder whose names match, and the
// elements, or the keys, of its variables that do.
func referenceStrings(t *testing.T, dir, name string) (values []string) {
	t.Helper()
	wanted := regexp.MustCompile("^(" + name + ")$")
	for _, f := range conventionFiles(t) {
		if f.test || f.dir != dir {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !wanted.MatchString(spec.Names[0].Name) {
				return true
			}
			values = append(values, referenceLiterals(spec.Values[0])...)
			return false
		})
	}
	return values
}

func referenceLiterals(of ast.Expr) (values []string) {
	elements := []ast.Expr{of}
	if list, ok := of.(*ast.CompositeLit); ok {
		elements = list.Elts
	}
	for _, element := range elements {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			element = pair.Key
		}
		if literal, ok := element.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			value, _ := strconv.Unquote(literal.Value)
			values = append(values, value)
		}
	}
	return values
}

func TestReferenceHasEveryPlaceholder(t *testing.T) {
	t.Parallel()
	wanted := []string{"{" + errorPlaceholder + "}", "{" + accessPlaceholder + "}", "{" + userPlaceholder + childOfClaim + "}"}
	wanted = append(wanted, "{"+userPlaceholder+childClaim+".<claim>}", "{"+userPlaceholder+"<claim>}")
	claims := referenceStrings(t, "caddyauth0oidc/internal/profile", "own")
	if len(claims) < 15 {
		t.Fatalf("the profile answers for %q", claims)
	}
	for _, claim := range claims {
		wanted = append(wanted, "{"+userPlaceholder+claim+"}")
	}
	referenceWant(t, "## Placeholders", wanted...)
}

func TestReferenceHasTheHeadersOfEveryPreset(t *testing.T) {
	t.Parallel()
	user := &profile.Profile{
		UserID: "auth0-oidc|acme-child|auth0|563b", Name: "n", Nickname: "n", GivenName: "n", FamilyName: "n", Email: "a@example.com",
		EmailVerified: "true", Picture: "p", UpdatedAt: "u", CreatedAt: "c", ClientID: "i", OrgID: "o",
		Identities: json.RawMessage(`[{}]`), Extra: json.RawMessage(`{"groups":["g"],"preferred_username":"u"}`),
	}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|")
	for _, preset := range upstream.Presets() {
		if preset == upstream.PresetNone {
			continue
		}
		plan, err := upstream.NewPlan(upstream.Config{Preset: preset})
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{}
		plan.Apply(header, make([]string, plan.Len()), user, upstream.Facts{Expires: time.Unix(1, 0)}, nil)
		var documented []string
		for _, m := range row.FindAllStringSubmatch(referencePart(t, "**`"+preset+"`**"), -1) {
			documented = append(documented, http.CanonicalHeaderKey(m[1]))
		}
		slices.Sort(documented)
		if sent := slices.Sorted(maps.Keys(header)); !slices.Equal(sent, documented) {
			t.Errorf("%s sends %q, and docs/reference.md has %q", preset, sent, documented)
		}
	}
}

func TestReferenceHasTheHeadersThatAreKnown(t *testing.T) {
	t.Parallel()
	known := referenceStrings(t, "caddyauth0oidc/internal/upstream", "known")
	part := referencePart(t, "**Beside each preset**")
	block := regexp.MustCompile("(?s)```\n(.*?)```").FindStringSubmatch(part)
	if block == nil {
		t.Fatal("there is no list")
	}
	fold := func(names []string) []string {
		for i, name := range names {
			names[i] = strings.ToLower(name)
		}
		slices.Sort(names)
		return names
	}
	if documented := fold(strings.Fields(block[1])); !slices.Equal(fold(known), documented) {
		t.Errorf("strip known removes %q, and docs/reference.md has %q", known, documented)
	}
}

func TestReferenceHasEveryCookie(t *testing.T) {
	t.Parallel()
	const begin = "auth0"
	wanted := []string{begin + "_session", begin + "_txn_<id>"}
	for _, suffix := range referenceStrings(t, "caddyauth0oidc/internal/session", `\w+Suffix`) {
		switch suffix {
		case "_session", "_txn_":
		case "-t":
			wanted = append(wanted, begin+"_session"+suffix)
		default:
			wanted = append(wanted, begin+"_txn_"+suffix)
		}
	}
	if len(wanted) < 6 {
		t.Fatalf("the cookies are %q", wanted)
	}
	referenceWant(t, "## Cookies", wanted...)
}

func TestReferenceHasWhatIsStored(t *testing.T) {
	t.Parallel()
	part := referencePart(t, "## Storage")
	paths := referenceStrings(t, "caddyauth0oidc", "(secret|revocation|refreshed|tenant)Path")
	if len(paths) != 4 {
		t.Fatalf("the paths are %q", paths)
	}
	for _, path := range append(paths, "auth0_oidc/assertion/") {
		if !strings.Contains(part, "\n| `"+path) {
			t.Errorf("docs/reference.md does not have %s", path)
		}
	}
}

func TestReferenceHasEveryAddress(t *testing.T) {
	t.Parallel()
	part := referencePart(t, "## Addresses")
	all := []string{resourceMetadataPath}
	for _, route := range (adminAPI{}).Routes() {
		all = append(all, route.Pattern)
	}
	for _, address := range all {
		if !strings.Contains(part, address+"`") {
			t.Errorf("docs/reference.md does not have %s", address)
		}
	}
	routes, err := os.ReadFile("../docs/sign-in.md")
	if err != nil {
		t.Fatal(err)
	}
	h := &Handler{Prefix: "/auth", Assertion: &Assertion{}, Logout: &Logout{Frontchannel: true}}
	for path := range h.ownRoutes() {
		if !strings.Contains(string(routes), "\n| `"+path+"` |") {
			t.Errorf("docs/sign-in.md has no row for %s", path)
		}
	}
}

func TestReferenceHasEveryVariableOfTheEnvironment(t *testing.T) {
	t.Parallel()
	variable := regexp.MustCompile(`"((?:AUTH0|APP)_[A-Z0-9_]+)"`)
	var all []string
	for _, f := range conventionFiles(t) {
		if f.test || f.dir != "caddyauth0oidc" {
			continue
		}
		for _, m := range variable.FindAllSubmatch(f.text, -1) {
			if name := string(m[1]); !strings.HasSuffix(name, "_MANAGEMENT") { // which begins names
				all = append(all, name)
			}
		}
	}
	referenceWant(t, "## Environment", all...)
}

func TestReferenceHasEveryMemberOfTheJSON(t *testing.T) {
	t.Parallel()
	all := referenceMembers(reflect.TypeFor[Handler](), "")
	referenceWant(t, "## JSON", all...)
	member := regexp.MustCompile(`^[a-z_]+(\[\]|\.[a-z_]+)+$`)
	for _, name := range referenceNames(referencePart(t, "## JSON")) {
		if member.MatchString(name) && !slices.Contains(all, name) {
			t.Errorf("docs/reference.md has %s, which is no member", name)
		}
	}
}

func referenceMembers(of reflect.Type, before string) (all []string) {
	for i := range of.NumField() {
		field := of.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || name == "" {
			continue
		}
		kind, list := field.Type, ""
		for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice {
			if kind.Kind() == reflect.Slice {
				list = "[]"
			}
			kind = kind.Elem()
		}
		if kind.Kind() == reflect.Struct && kind.PkgPath() == of.PkgPath() {
			all = append(all, referenceMembers(kind, before+name+list+".")...)
			continue
		}
		all = append(all, before+name)
	}
	return all
}
