// Command verify shows what an application does with the assertion of a request: it
// reads one from its input and writes the claims, or why it is refused.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: verify <address of the keys> <issuer> <audience> < assertion")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

func run(keys, issuer, audience string) error {
	text, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
	if err != nil {
		return fmt.Errorf("reading the assertion: %w", err)
	}
	v, err := NewVerifier(keys, issuer, audience, &http.Client{Timeout: timeout}, time.Now)
	if err != nil {
		return err
	}
	claims, err := v.Verify(context.Background(), strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(claims)
}
