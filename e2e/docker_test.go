package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dockerfile gives the instructions of the example, continued lines as one.
func dockerfile(t *testing.T) (instructions [][]string) {
	t.Helper()
	text := readFile(t, filepath.Join("..", "examples", "docker", "Dockerfile"))
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", "")) {
		if fields := strings.Fields(line); len(fields) > 0 && !strings.HasPrefix(fields[0], "#") {
			instructions = append(instructions, fields)
		}
	}
	return instructions
}

// There is no Docker to build the example with; this is what can be said of it: it
// builds as `make build` does, copies what is there, and is not run by root.
func TestDockerfileBuildsAsTheMakefileDoes(t *testing.T) {
	t.Parallel()
	var words, stages []string
	for _, i := range dockerfile(t) {
		words = append(words, strings.Join(i, " "))
		switch {
		case i[0] == "FROM" && len(i) == 4:
			stages = append(stages, i[3])
		case i[0] == "COPY" && strings.HasPrefix(i[1], "--from="):
			if stage := strings.TrimPrefix(i[1], "--from="); !slices.Contains(stages, stage) {
				t.Errorf("%q copies from no stage", i)
			}
		case i[0] == "COPY" && len(i) == 3 && i[1] != ".":
			_ = readFile(t, filepath.Join("..", i[1]))
		case !slices.Contains(strings.Fields("FROM RUN COPY WORKDIR ENV VOLUME EXPOSE USER HEALTHCHECK ENTRYPOINT CMD"), i[0]):
			t.Errorf("%q is no instruction that was looked at", i)
		}
	}
	for _, want := range []string{"RUN make build", "COPY --from=build /src/caddy /usr/bin/caddy", "USER 10001"} {
		if !slices.Contains(words, want) {
			t.Errorf("%q is not in\n%s", want, strings.Join(words, "\n"))
		}
	}
	if from := "FROM golang:" + goVersion(t) + "-"; !strings.HasPrefix(words[0], from) {
		t.Errorf("%q does not begin with %q", words[0], from)
	}
}

// goVersion is the one of go.mod, without the patch.
func goVersion(t *testing.T) string {
	t.Helper()
	for line := range strings.Lines(readFile(t, filepath.Join("..", "go.mod"))) {
		if version, ok := strings.CutPrefix(line, "go "); ok {
			parts := strings.Split(strings.TrimSpace(version), ".")
			return strings.Join(parts[:2], ".")
		}
	}
	t.Fatal("go.mod names no version of Go")
	return ""
}
