package pages

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The names of the files in an operator's directory.
const (
	pageFile     = "page.html"
	styleFile    = "page.css"
	templateFile = ".html"
	languageFile = ".json"
)

// maxFile bounds each of these files, in bytes.
const maxFile = 1 << 20

// Load gives the pages with an operator's templates, style and language files in place of
// the built-in ones; those of no directory for an empty name. Every template is executed
// once with samples of each kind of page, so that errors are found here. The lines are for
// the log: languages that lack texts, which are English then.
func Load(directory string) (s *Set, warnings []string, err error) {
	if directory == "" {
		return builtin, nil, nil
	}
	files, err := readFiles(directory)
	if err != nil {
		return nil, nil, err
	}
	s = &Set{style: builtinStyle, faces: make(map[Kind]*face)}
	err = errors.Join(s.takeLanguages(files), s.takeStyle(files), s.takeTemplates(files))
	if err == nil {
		err = s.inspect(s.languages.all...)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("in %s: %w", directory, err)
	}
	for _, l := range s.languages.all {
		if missing := l.lacks(); len(missing) > 0 {
			warnings = append(warnings, fmt.Sprintf("%s%s lacks these texts, which are English then: %s", l.tag, languageFile, strings.Join(missing, ", ")))
		}
	}
	return s, warnings, nil
}

// readFiles reads the files of a directory that are ours by their names.
func readFiles(directory string) (map[string][]byte, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, fmt.Errorf("reading the directory: %w", err)
	}
	files := make(map[string][]byte)
	for _, entry := range entries {
		name := entry.Name()
		if kind := filepath.Ext(name); strings.HasPrefix(name, ".") || kind != templateFile && kind != languageFile && kind != filepath.Ext(styleFile) {
			continue
		}
		if files[name], err = readFile(filepath.Join(directory, name)); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func readFile(path string) ([]byte, error) {
	about, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !about.Mode().IsRegular() { // to open a pipe would wait for whoever writes into it
		return nil, fmt.Errorf("%s is no file", path)
	}
	file, err := os.Open(path) // #nosec G304 -- of the directory that the operator names
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("%s is larger than 1 MiB", path)
	}
	return content, nil
}

func (s *Set) takeLanguages(files map[string][]byte) error {
	all := clones()
	for _, name := range sortedNames(files, languageFile) {
		longer, err := addTexts(all, name, files[name])
		if err != nil {
			return err
		}
		all = longer
	}
	takeParents(all)
	s.languages = newLanguages(all)
	return nil
}

func (s *Set) takeStyle(files map[string][]byte) error {
	for _, name := range sortedNames(files, filepath.Ext(styleFile)) {
		if name != styleFile {
			return fmt.Errorf("%s is not used; the one style is %s", name, styleFile)
		}
		if strings.Contains(strings.ToLower(string(files[name])), "</style") {
			return fmt.Errorf("%s has the end of a <style> element in it; write only what is between its tags", name)
		}
		s.style = template.CSS(files[name]) // #nosec G203 -- the operator's file
	}
	return nil
}

// takeTemplates makes the templates of all kinds: the one of the kind, else page.html, else
// the built-in one. Each knows what the built-in one and page.html define.
func (s *Set) takeTemplates(files map[string][]byte) error {
	for _, name := range sortedNames(files, templateFile) {
		if kind := Kind(strings.TrimSuffix(name, templateFile)); name != pageFile && !slices.Contains(kinds, kind) {
			return fmt.Errorf("%s is no page; known are %s and, with the same ending, %s", name, pageFile, kindNames())
		}
	}
	for _, kind := range kinds {
		f := &face{name: pageFile, template: template.Must(template.New(pageFile).Parse(builtinFile(pageFile)))}
		for _, name := range []string{pageFile, string(kind) + templateFile} {
			content, found := files[name]
			if !found {
				continue
			}
			parsed, err := f.template.New(name).Parse(string(content))
			if err != nil {
				return err
			}
			f.name, f.template, f.own = name, parsed, true
		}
		s.faces[kind] = f
	}
	// A style of the operator's may show images, too.
	for _, f := range s.faces {
		f.own = f.own || s.style != builtinStyle
	}
	return nil
}

func kindNames() string {
	var names []string
	for _, kind := range kinds {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}

func sortedNames(files map[string][]byte, ending string) (names []string) {
	for name := range files {
		if filepath.Ext(name) == ending {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
