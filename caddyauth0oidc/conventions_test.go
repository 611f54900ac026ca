package caddyauth0oidc

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/pages"
)

// What the house rules say about the shape of the code is checked here, so that
// no reviewer has to.

const conventionModule = "github.com/caddyauth0/caddy-auth0-oidc"

// conventionRoot is the folder of go.mod, as seen from this package.
const conventionRoot = ".."

// conventionFile is a Go file of the repository.
type conventionFile struct {
	name string // below the root, with slashes
	dir  string
	test bool
	text []byte
	tree *ast.File
	set  *token.FileSet
}

// conventionEachFile calls visit for every file that belongs to the repository.
func conventionEachFile(t *testing.T, visit func(name string, text []byte)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(conventionRoot), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == ".git" || name == "e2e/testdata/screenshots"):
			return fs.SkipDir
		case !d.Type().IsRegular() || name == "caddy" || name == "caddy-redis":
			return nil
		}
		text, err := os.ReadFile(filepath.Join(conventionRoot, filepath.FromSlash(name)))
		if err == nil {
			visit(name, text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func conventionFiles(t *testing.T) []conventionFile {
	t.Helper()
	set := token.NewFileSet()
	var all []conventionFile
	conventionEachFile(t, func(name string, text []byte) {
		if path.Ext(name) != ".go" {
			return
		}
		tree, err := parser.ParseFile(set, name, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, conventionFile{
			name: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), text: text, tree: tree, set: set,
		})
	})
	if len(all) < 50 {
		t.Fatalf("only %d Go files were found", len(all))
	}
	return all
}

func (f conventionFile) imports() []string {
	var all []string
	for _, i := range f.tree.Imports {
		imported, _ := strconv.Unquote(i.Path.Value)
		all = append(all, imported)
	}
	return all
}

func (f conventionFile) at(n ast.Node) token.Position { return f.set.Position(n.Pos()) }

// conventionMay says which packages of ours a folder may import. Folders below
// examples and e2e are not bound.
func conventionMay(dir, imported string) bool {
	const edge = "caddyauth0oidc"
	switch {
	case dir == edge:
		return strings.HasPrefix(imported, edge+"/internal/")
	case dir == edge+"/internal/session", dir == edge+"/internal/policy", dir == edge+"/internal/upstream":
		return imported == edge+"/internal/profile"
	case dir == edge+"/internal/doctor":
		return imported == edge+"/internal/tenant" || imported == edge+"/internal/management"
	}
	return !strings.HasPrefix(dir, edge)
}

func TestImportsFollowTheLayers(t *testing.T) {
	t.Parallel()
	server := regexp.MustCompile(`^(github\.com/caddyserver/|go\.uber\.org/zap|github\.com/prometheus/)`)
	for _, f := range conventionFiles(t) {
		for _, imported := range f.imports() {
			below := strings.HasPrefix(f.dir, "caddyauth0oidc/")
			if below && server.MatchString(imported) && !f.test {
				t.Errorf("%s imports %s; only the package caddyauth0oidc itself knows the server", f.name, imported)
			}
			ours, ok := strings.CutPrefix(imported, conventionModule+"/")
			if !ok || conventionMay(f.dir, ours) {
				continue
			}
			if sim := ours == "caddyauth0oidc/auth0sim"; f.test && (sim || ours == f.dir) {
				continue
			}
			t.Errorf("%s imports %s, which does not lie below it in the layers", f.name, ours)
		}
	}
}

// The simulator is for tests, also those of users; it must not get into a
// server, and it must not share a mistake with what it tests.
func TestSimulatorImportsNothingOfOurs(t *testing.T) {
	t.Parallel()
	for _, f := range conventionFiles(t) {
		for _, imported := range f.imports() {
			ours, ok := strings.CutPrefix(imported, conventionModule+"/")
			if f.dir == "caddyauth0oidc/auth0sim" && ok && ours != f.dir {
				t.Errorf("%s imports %s", f.name, imported)
			}
		}
	}
}

func TestEachPackageHasOnePackageComment(t *testing.T) {
	t.Parallel()
	comments := make(map[string][]string)
	for _, f := range conventionFiles(t) {
		if f.test {
			continue
		}
		if comments[f.dir] == nil {
			comments[f.dir] = []string{}
		}
		if f.tree.Doc == nil {
			continue
		}
		comments[f.dir] = append(comments[f.dir], f.name)
		want := "Package " + f.tree.Name.Name + " "
		if f.tree.Name.Name == "main" {
			want = "Command " + path.Base(f.dir) + " "
		}
		if !strings.HasPrefix(f.tree.Doc.Text(), want) {
			t.Errorf("%s: the package comment does not begin with %q", f.name, want)
		}
	}
	for dir, files := range comments {
		if len(files) != 1 {
			t.Errorf("%s has %d package comments, %q", dir, len(files), files)
		}
	}
}

func TestExportedNamesHaveComments(t *testing.T) {
	t.Parallel()
	for _, f := range conventionFiles(t) {
		if f.test {
			continue
		}
		for _, declaration := range f.tree.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && conventionReceiverIsExported(d) {
					t.Errorf("%s: %s has no comment", f.at(d), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, name := range conventionUncommented(d) {
					t.Errorf("%s: %s has no comment", f.at(name), name.Name)
				}
			}
		}
	}
}

// conventionReceiverIsExported is true of functions, too.
func conventionReceiverIsExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	receiver := d.Recv.List[0].Type
	if pointer, ok := receiver.(*ast.StarExpr); ok {
		receiver = pointer.X
	}
	if generic, ok := receiver.(*ast.IndexExpr); ok {
		receiver = generic.X
	}
	name, ok := receiver.(*ast.Ident)
	return ok && name.IsExported()
}

// conventionUncommented gives the exported names that neither have a comment nor
// stand in a group that has one.
func conventionUncommented(d *ast.GenDecl) []*ast.Ident {
	if d.Doc != nil && (d.Tok != token.TYPE || !d.Lparen.IsValid()) {
		return nil
	}
	var names []*ast.Ident
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil {
				names = append(names, s.Name)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() && s.Doc == nil && s.Comment == nil {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// The comments of these fields are the reference that caddyserver.com shows.
func TestEachFieldOfTheConfigurationIsDocumented(t *testing.T) {
	t.Parallel()
	pending := []reflect.Type{reflect.TypeFor[Handler]()}
	seen := make(map[string]bool)
	for len(pending) > 0 {
		next := pending[0]
		pending = pending[1:]
		if seen[next.Name()] {
			continue
		}
		seen[next.Name()] = true
		comments := conventionFieldComments(t, next.Name())
		for i := range next.NumField() {
			field := next.Field(i)
			if !field.IsExported() {
				continue
			}
			conventionCheckField(t, next.Name(), field, comments[field.Name])
			kind := field.Type
			for kind.Kind() == reflect.Pointer || kind.Kind() == reflect.Slice || kind.Kind() == reflect.Map {
				kind = kind.Elem()
			}
			if kind.Kind() == reflect.Struct && kind.PkgPath() == next.PkgPath() {
				pending = append(pending, kind)
			}
		}
	}
	if len(seen) < 6 {
		t.Errorf("only %d structs were found", len(seen))
	}
}

var conventionTag = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*,omitempty$`)

func conventionCheckField(t *testing.T, owner string, field reflect.StructField, comment string) {
	t.Helper()
	if tag := field.Tag.Get("json"); !conventionTag.MatchString(tag) {
		t.Errorf("%s.%s: the tag %q is not in snake_case with omitempty", owner, field.Name, tag)
	}
	comment = strings.TrimSpace(comment)
	if !strings.HasPrefix(comment, field.Name+" ") || !strings.HasSuffix(comment, ".") {
		t.Errorf("%s.%s: the comment %q is not a sentence that begins with the field's name", owner, field.Name, comment)
	}
}

func conventionFieldComments(t *testing.T, name string) map[string]string {
	t.Helper()
	comments := make(map[string]string)
	for _, f := range conventionFiles(t) {
		if f.dir != "caddyauth0oidc" || f.test {
			continue
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != name {
				return true
			}
			for _, field := range spec.Type.(*ast.StructType).Fields.List {
				for _, fieldName := range field.Names {
					comments[fieldName.Name] = field.Doc.Text()
				}
			}
			return false
		})
	}
	return comments
}

// conventionKnown matches the parser's answer to a line that it does not know.
var conventionKnown = regexp.MustCompile(`unrecognized subdirective 'no_such_setting'; known here: ([a-zA-Z0-9_<>, ]+), at `)

// conventionSettings asks the parser for all its settings. Those of a block are
// written with the names of the blocks around them; a block that takes no value
// of its own is not listed itself.
func conventionSettings(t *testing.T) []string {
	t.Helper()
	var all []string
	var walk func(path []string, before, after string)
	walk = func(path []string, before, after string) {
		if len(path) > 4 {
			t.Fatalf("the blocks %q do not end", path)
		}
		_, err := adapt(t, before+"no_such_setting\n"+after)
		var known []string
		if err != nil {
			if m := conventionKnown.FindStringSubmatch(err.Error()); m != nil {
				known = strings.Split(m[1], ", ")
			}
		}
		if known == nil {
			t.Fatalf("the parser does not say what it knows in %q: %v", path, err)
		}
		for _, name := range known {
			nested := append(slices.Clone(path), name)
			block := conventionTakesBlock(t, before+name+" {\n", "}\n"+after)
			named := conventionTakesBlock(t, before+name+" name {\n", "}\n"+after)
			switch {
			case block:
				walk(nested, before+name+" {\n", "}\n"+after)
			case named:
				walk(nested, before+name+" name {\n", "}\n"+after)
			}
			if !block {
				all = append(all, strings.Join(nested, " "))
			}
		}
	}
	walk(nil, ":80 {\nauth0_oidc {\n", "}\n}\n")
	slices.Sort(all)
	return all
}

// conventionTakesBlock tells whether a setting has names of its own in a block,
// and not those of the block around it.
func conventionTakesBlock(t *testing.T, before, after string) bool {
	t.Helper()
	_, err := adapt(t, before+"no_such_setting\n"+after)
	return err != nil && conventionKnown.MatchString(err.Error())
}

func TestSettingsAreTheSameInParserDocumentationAndExample(t *testing.T) {
	t.Parallel()
	known := conventionSettings(t)
	if len(known) < 15 || !slices.Contains(known, "session cookie same_site") || !slices.Contains(known, "connection strategy") {
		t.Fatalf("the parser's settings are %q", known)
	}
	for name, documented := range map[string][]string{
		"docs/settings.md":  conventionDocumentedSettings(t),
		"Caddyfile.example": conventionExampleSettings(t),
	} {
		for _, setting := range known {
			if n := conventionCount(documented, setting); n != 1 {
				t.Errorf("'%s' stands in %s %d times", setting, name, n)
			}
		}
		for _, setting := range documented {
			if !slices.Contains(known, setting) {
				t.Errorf("'%s' of %s is no setting", setting, name)
			}
		}
	}
}

func conventionCount(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

var conventionRow = regexp.MustCompile("^\\| *`([a-zA-Z0-9_<> ]+)`[^|]*\\|")

// conventionDocumentedSettings reads the first column of the table that has a row
// for `domain`.
func conventionDocumentedSettings(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(conventionRoot, "docs", "settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	var table []string
	for line := range strings.Lines(string(text) + "\n\n") {
		if m := conventionRow.FindStringSubmatch(line); m != nil {
			table = append(table, strings.Join(strings.Fields(m[1]), " "))
		} else if !strings.HasPrefix(line, "|") {
			if slices.Contains(table, "domain") {
				return table
			}
			table = nil
		}
	}
	t.Fatal("docs/settings.md has no table with a row for `domain`")
	return nil
}

// conventionExampleSettings reads the names at the begin of the lines of the
// directive. A # without a space behind it switches a setting off; one with a
// space begins a sentence.
func conventionExampleSettings(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(conventionRoot, "Caddyfile.example"))
	if err != nil {
		t.Fatal(err)
	}
	var settings, blocks []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if off, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(off, " ") {
			line = strings.TrimSpace(off)
		}
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		name, opens := fields[0], fields[len(fields)-1] == "{"
		at := slices.Index(blocks, directive)
		if slices.Contains(blocks, "headers") && !looksLikeSetting(name) {
			name = anyHeader
		}
		if name == "}" {
			blocks = blocks[:len(blocks)-1]
			continue
		}
		if at >= 0 && !(opens && len(fields) == 2) {
			settings = append(settings, strings.Join(append(slices.Clone(blocks[at+1:]), name), " "))
		}
		if opens {
			blocks = append(blocks, name)
		}
	}
	return settings
}

// Users' builds do not see a replacement in our go.mod.
func TestGoModReplacesNothing(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(conventionRoot, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`(?m)^\s*replace\b`).Match(text) {
		t.Error("go.mod has a replace directive")
	}
}

func TestFilesAreShort(t *testing.T) {
	t.Parallel()
	const most = 450
	for _, f := range conventionFiles(t) {
		if n := bytes.Count(f.text, []byte("\n")); n > most && !f.test {
			t.Errorf("%s has %d lines; split what is above %d by what it answers", f.name, n, most)
		}
	}
}

// conventionForbidden are calls with what to do instead.
var conventionForbidden = map[string]string{
	"http.DefaultClient":    "take a client with a timeout as a parameter",
	"http.DefaultTransport": "take a transport as a parameter",
	"http.Get":              "take a client with a timeout as a parameter",
	"http.Post":             "take a client with a timeout as a parameter",
	"http.PostForm":         "take a client with a timeout as a parameter",
	"http.Head":             "take a client with a timeout as a parameter",
}

func TestASVS_23_NoUnboundedOrPredictableInput(t *testing.T) {
	t.Parallel()
	for _, f := range conventionFiles(t) {
		if f.test || f.dir == "caddyauth0oidc/auth0sim" {
			continue
		}
		for _, imported := range f.imports() {
			if strings.HasPrefix(imported, "math/rand") {
				t.Errorf("%s imports %s; randomness comes from crypto/rand", f.name, imported)
			}
		}
		for _, declaration := range f.tree.Decls {
			used := conventionSelectors(declaration)
			for _, name := range slices.Sorted(maps.Keys(used)) {
				if instead, ok := conventionForbidden[name]; ok {
					t.Errorf("%s uses %s; %s", f.at(used[name]), name, instead)
				}
			}
			if all := used["io.ReadAll"]; all != nil && used["io.LimitReader"] == nil && used["http.MaxBytesReader"] == nil {
				t.Errorf("%s reads all of something without a limit", f.at(all))
			}
		}
	}
}

// conventionSelectors gives the expressions of the form a.b, by that text.
func conventionSelectors(n ast.Node) map[string]ast.Node {
	found := make(map[string]ast.Node)
	ast.Inspect(n, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				found[x.Name+"."+s.Sel.Name] = s
			}
		}
		return true
	})
	return found
}

func TestNothingIsLeftToDo(t *testing.T) {
	t.Parallel()
	left := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	conventionEachFile(t, func(name string, text []byte) {
		if path.Base(name) == "go.sum" || bytes.IndexByte(text, 0) >= 0 {
			return
		}
		if at := left.FindIndex(text); at != nil {
			t.Errorf("%s:%d says %s", name, 1+bytes.Count(text[:at[0]], []byte("\n")), text[at[0]:at[1]])
		}
	})
}

// Every code of a refusal has its words on the page and its row in docs/errors.md, which has no others.
func TestEveryRefusalCodeIsDocumented(t *testing.T) {
	t.Parallel()
	documented, err := os.ReadFile("../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("refuse.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`(?m)^\tcode\w+ += "(\w+)"$`).FindAllStringSubmatch(string(source), -1)
	for _, found := range codes {
		code := found[1]
		if english := pages.English(); !english.Has(code+".title") || !english.Has(code+".text") {
			t.Errorf("%s has no words for the page", code)
		}
		if !strings.Contains(string(documented), "\n| `"+code+"` |") {
			t.Errorf("%s has no row in docs/errors.md", code)
		}
	}
	if rows := strings.Count(string(documented), "\n| `"); rows != len(codes) {
		t.Errorf("docs/errors.md has %d rows for %d codes", rows, len(codes))
	}
}

// ASVS-24: whom we talk to over TLS is verified, and no setting says otherwise.
func TestASVS_24_NothingSkipsTheVerificationOfTLS(t *testing.T) {
	t.Parallel()
	for _, f := range conventionFiles(t) {
		if at := bytes.Index(f.text, []byte("InsecureSkipVerify")); at >= 0 && !f.test {
			t.Errorf("%s:%d can skip the verification of certificates", f.name, 1+bytes.Count(f.text[:at], []byte("\n")))
		}
	}
}
