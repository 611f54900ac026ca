package caddyauth0oidc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxEnvironment limits a file of variables.
const maxEnvironment = 1 << 20

// loadEnvironment sets the variables of a file that are not set already, as caddy run does.
func loadEnvironment(name string) error {
	f, err := os.Open(name) // #nosec G304 -- the operator names it
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	variables, err := readEnvironment(io.LimitReader(f, maxEnvironment))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for name, value := range variables {
		if _, is := os.LookupEnv(name); is {
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("setting the variable %s: %w", name, err)
		}
	}
	return nil
}

// readEnvironment reads what caddy run reads, to the byte: a # begins a comment within quotes, too, and of lines with the same name
// the last one counts. What is found with other values would be about another server.
func readEnvironment(from io.Reader) (map[string]string, error) {
	variables := make(map[string]string)
	lines := bufio.NewScanner(from)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimPrefix(name, "export ")
		if !ok || name == "" || strings.Contains(name, " ") || strings.HasPrefix(value, " ") || strings.HasPrefix(value, "\t") {
			return nil, fmt.Errorf("line %d is not NAME=value", n)
		}
		if before, _, found := strings.Cut(value, "#"); found {
			value = strings.TrimRight(before, " \t")
		}
		if strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'") {
			var more int
			value, more = quotedValue(lines, line, value)
			n += more
		}
		variables[name] = value
	}
	return variables, lines.Err()
}

// quotedValue reads on to the line that ends with the quote, and tells how many lines more that took.
func quotedValue(lines *bufio.Scanner, line, value string) (text string, more int) {
	quote := value[:1]
	for !strings.HasSuffix(line, quote) || strings.HasSuffix(line, `\`+quote) {
		value = strings.ReplaceAll(value, `\`+quote, quote)
		if !lines.Scan() {
			break
		}
		more++
		line = strings.ReplaceAll(lines.Text(), `\`+quote, quote)
		value += "\n" + line
	}
	return strings.TrimSuffix(strings.TrimPrefix(value, quote), quote), more
}
