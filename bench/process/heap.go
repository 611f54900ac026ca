package process

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Heap is what a Go process has allocated since it began, what was freed included.
type Heap struct {
	Objects uint64 `json:"Mallocs"`
	Bytes   uint64 `json:"TotalAlloc"`
}

// maxVars bounds what is read of a process's variables; the last 256 pauses of its
// garbage collector are among them.
const maxVars = 1 << 20

// HeapOf asks a process for its exported variables, at an address that ends in
// /debug/vars. The answer itself costs the process some hundred objects.
func HeapOf(ctx context.Context, client *http.Client, address string) (Heap, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Heap{}, err
	}
	response, err := client.Do(request)
	if err != nil {
		return Heap{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return Heap{}, fmt.Errorf("asking %s: status %s", address, response.Status)
	}
	var vars struct {
		Heap *Heap `json:"memstats"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxVars)).Decode(&vars); err != nil {
		return Heap{}, fmt.Errorf("reading the answer of %s: %w", address, err)
	}
	if vars.Heap == nil {
		return Heap{}, fmt.Errorf("reading the answer of %s: it has no memstats", address)
	}
	return *vars.Heap, nil
}
