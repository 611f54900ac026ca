package auth0sim

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// LimitRequests lets so many more requests below a path pass and answers 429 to the rest, with the headers and the
// bodies of Auth0's rate limits, which differ between the Authentication and the Management API. It replaces Intercept.
func (t *Tenant) LimitRequests(path string, allowed int, retryAfter time.Duration) {
	var mu sync.Mutex
	left := allowed
	intercept := func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, path) {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		if left > 0 {
			left--
			return false
		}
		w.Header().Set("X-RateLimit-Limit", strconv.Itoa(allowed))
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(t.now().Add(retryAfter).Unix(), 10))
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
		tooManyRequests(w, r)
		return true
	}
	t.Configure(func(s *Settings) { s.Intercept = intercept })
}

func tooManyRequests(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/api/v2/") {
		writeJSON(w, http.StatusTooManyRequests, managementError{
			StatusCode: http.StatusTooManyRequests, Error: http.StatusText(http.StatusTooManyRequests),
			Message: "Global limit has been reached", ErrorCode: "too_many_requests",
		})
		return
	}
	writeJSON(w, http.StatusTooManyRequests, map[string]any{
		"error": "too_many_requests", "error_description": "Rate limit exceeded.",
	})
}
