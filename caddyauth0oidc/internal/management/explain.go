package management

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Explain says in words for the operator what went wrong and what to do. It quotes Auth0's own message, and no secret.
func Explain(err error) string {
	var refusal *Refusal
	var e *Error
	switch {
	case errors.As(err, &refusal):
		return sentence(refusal.Why) + " " + sentence(refusal.Do)
	case errors.As(err, &e):
		text := sentence(e.Error())
		if e.Message != "" {
			text += " Auth0 says: " + sentence(e.Message)
		}
		return text + " " + e.advice()
	}
	return sentence(err.Error())
}

func (e *Error) advice() string {
	token := e.Doing == gettingToken
	switch {
	case errors.Is(e.Err, context.Canceled), errors.Is(e.Err, context.DeadlineExceeded):
		return "The run was interrupted."
	case e.Err != nil:
		return "Check the tenant's domain and the way to it, then run the command again."
	case e.Status == http.StatusTooManyRequests:
		return fmt.Sprintf("The tenant limits its requests: wait %s, then run the command again.", max(e.RetryAfter, time.Minute))
	case token && e.Status == http.StatusForbidden:
		return "Authorize the machine-to-machine application for the Auth0 Management API of this very tenant, by its canonical " +
			"domain and not a custom one (Applications, APIs, Auth0 Management API)."
	case token:
		return "Check the client id and the secret of the machine-to-machine application, and the domain of its tenant."
	case e.Status == http.StatusUnauthorized:
		return "The token has expired, or is for another tenant or API: its audience has to be the Management API of this very " +
			"tenant, by its canonical domain."
	case e.Status == http.StatusForbidden && len(e.Scopes) > 0:
		return "The token needs the scope " + strings.Join(e.Scopes, " and ") +
			": grant it to the machine-to-machine application (Applications, APIs, Auth0 Management API), and get a new token."
	case e.Status == http.StatusConflict:
		return "Somebody else made it in the meantime, or its name is taken: run the command again to see what is there now, or " +
			"choose another name."
	}
	return "Run the command again; what it did is found again."
}

func sentence(text string) string {
	if text == "" || strings.HasSuffix(text, ".") {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
