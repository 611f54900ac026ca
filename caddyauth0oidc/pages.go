package caddyauth0oidc

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html"
	"html/template"
	"net/http"

	"go.uber.org/zap"
)

// The one template has a single style element and, on a page that sends a form again,
// a single script, so that the policy can name them by their hashes and allow nothing
// else.
//
//go:embed pages
var pageFiles embed.FS

var pageTemplate = template.Must(template.ParseFS(pageFiles, "pages/page.html"))

var pageStyle = template.CSS(mustReadPage("pages/page.css")) // #nosec G203 -- our own file

func mustReadPage(name string) string {
	content, err := pageFiles.ReadFile(name)
	if err != nil {
		panic(err) // embedded: a build without it does not compile
	}
	return string(content)
}

var styleHash = contentHash(string(pageStyle))

// contentHash gives the source expression that allows an inline element (Content
// Security Policy Level 3 section 2.3.1).
func contentHash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// page is what a page shows.
type page struct {
	Title  string
	Text   string
	Detail string
	Code   string
	Links  []link
	Post   *link // a form with one button
	NewTab bool  // the links lead away from what the user must not lose
	Resend *resend
	Choose *choosing
	Style  template.CSS
}

type link struct{ Href, Label string }

// Action gives the address as an attribute. As a value of its own the template would
// write it anew, with other escapes than those that it came with.
func (l link) Action() template.HTMLAttr {
	return template.HTMLAttr(`action="` + html.EscapeString(l.Href) + `"`) // #nosec G203 -- escaped here, and of this site
}

// message says in a person's words what a code means.
type message struct{ title, text string }

var messages = map[string]message{
	codeLoginRequired:      {"Sign in to go on", "This page is only shown to people who are signed in."},
	codeSignedOut:          {"You are signed out", "You signed out of this application."},
	codeFormNotKept:        {"Your form was not sent", "You were not signed in when you sent this form, and it could not be kept for after the sign-in. Do not close this page. Sign in, which opens another tab, then come back here and reload: your browser will offer to send the form again."},
	codeFormLost:           {"Your form is not here any more", "A form was to be sent after the sign-in, and it is no longer here: it has been sent already, a newer one took its place, or the sign-in took too long. If it was not sent, go back to the page where you filled it in, and send it from there."},
	codeBadRequest:         {"This address is not complete", "Something in the address of this page is not as it should be. Go back to where you came from and try again."},
	codeMethodNotAllowed:   {"This does not work here", "The request was made in a way that this address does not answer."},
	codeBadState:           {"This sign-in cannot be finished", "The address of this page is from a sign-in that was never begun here, or it was cut off on the way. Beginning again usually helps."},
	codeResponseMode:       {"This sign-in cannot be finished", "The answer of the sign-in service came in another way than this application asked for. Begin again; if that does not help, tell whoever looks after this application the code below."},
	codeHTTPSRequired:      {"This address is not secure", "You can only sign in over a secure connection. Open this address again with https:// in place of http://."},
	codeStepUpRequired:     {"Sign in again to go on", "This page needs a sign-in that is stronger, or more recent, than the one you have."},
	codeStepUpFailed:       {"This page needs a stronger sign-in", "The sign-in service did not confirm what this page asks for, such as a second factor or a password that was entered just now. If you were signed in, you still are, as before. You can try again; if that does not help, tell whoever looks after this application the code below."},
	codeLoginDenied:        {"You were not signed in", "The sign-in was cancelled, or your account may not use this application. If you think that it should, ask whoever looks after the application."},
	codeLoginFailed:        {"The sign-in did not work", "The sign-in service answered in a way that does not let you in. You can try again; if that does not help, tell whoever looks after this application the code below."},
	codeTokenRefused:       {"The sign-in did not work", "The sign-in took too long or was used twice, or this application is not set up correctly. You can try again; if that does not help, tell whoever looks after it the code below."},
	codeRequestRefused:     {"The sign-in could not begin", "The sign-in service did not accept the request of this application, which is not set up correctly. Tell whoever looks after this application the code below."},
	codePARMismatch:        {"The sign-in could not begin", "This application and the sign-in service do not agree on how a sign-in begins. Tell whoever looks after this application the code below."},
	codeInvalidToken:       {"The sign-in could not be verified", "What the sign-in service sent could not be verified, so you were not let in. You can try again; if that does not help, tell whoever looks after this application the code below."},
	codeConnectionMismatch: {"This account cannot be used here", "You signed in with an account that this application does not accept. Sign out first, then sign in with the right one."},
	codeOrgMismatch:        {"This page is for another organization", "You signed in to another organization than the one that this page is for, or to none. Try again with the right one, or sign out and use another account."},
	codeUnknownConnection:  {"There is no such way to sign in", "The address names a sign-in that this application does not have."},
	codeUnknownIssuer:      {"This sign-in is not for this application", "The address was to begin a sign-in with a service that this application does not use. Go back to where you came from, or open the application itself."},
	codeForbidden:          {"This account may not open this page", "You are signed in, but your account is not among those that may open this page. If you think that it should be, ask whoever looks after this application. If you have another account, use that one."},
	codeManagementRefused:  {"Your profile could not be read", "The sign-in worked, but this application may not read your profile at the sign-in service, or reads it in the wrong place. Tell whoever looks after this application the code below."},
	codeProfileTooLarge:    {"Your profile is too large", "Your account carries more data than fits into a session. Tell whoever looks after this application the code below."},
	codeLoop:               {"The sign-in does not stick", "You were signed in several times in a row, and every time your browser came back signed out. Most often the browser refuses this site's cookies, or the site is opened once with https and once without. Allow cookies for this site, then try again."},
	codeTenantUnavailable:  {"The sign-in service cannot be reached", "You cannot be signed in at the moment. Whoever is signed in already can go on working. Please try again in a little while."},
	codeRevocationUnknown:  {"Please try again in a little while", "You are still signed in. At the moment it cannot be found out whether this is still right, so this page has to wait."},
	codeCrossSite:          {"This came from another site", "For your safety the request was not carried out, because another site made it."},
	codeInvalidRequest:     {"The access token cannot be read", "The header Authorization has an access token that is not written as it should be, or more than one. Send exactly one, as: Authorization: Bearer TOKEN."},
	codeInvalidAccessToken: {"The access token is not valid here", "The access token has expired, is for another API, or could not be verified. Get a new one for this API and try again."},
	codeInsufficientScope:  {"The access token does not allow this", "The access token lacks a scope or a permission that is needed here."},
	codeInternal:           {"Something went wrong", "The request could not be answered because of a fault on our side. Please try again in a little while."},
}

// tokenMessages take the place of messages where an access token is refused: no session
// is meant, and whoever reads them wrote the program.
var tokenMessages = map[string]message{
	codeStepUpRequired:     {"The access token shows no such sign-in", "A sign-in that is stronger, or more recent, is needed here, and the access token itself has to show it in acr or amr, and in auth_time."},
	codeConnectionMismatch: {"The access token is of another user", "The access token is of a user whose account this application does not accept."},
	codeOrgMismatch:        {"The access token is of another organization", "The access token is not of the organization that this address is for."},
	codeForbidden:          {"The access token does not allow this", "The access token is valid, and its claims are not those of somebody who may do this."},
	codeTenantUnavailable:  {"The access token cannot be verified", "The keys for access tokens cannot be fetched at the moment. Send the same request again in a little while."},
	codeRevocationUnknown:  {"The access token cannot be judged", "At the moment it cannot be found out whether the access token was revoked. Send the same request again in a little while."},
}

// message says what happened to whoever caused the refusal.
func (f refusal) message() message {
	if told, found := tokenMessages[f.code]; f.ofToken && found {
		return told
	}
	return messages[f.code]
}

// waysOn name the link of refusals that the same address would meet again.
var waysOn = map[string]string{
	codeHTTPSRequired: "Open it with https",
	codeUnknownIssuer: "Open the application",
}

// refusalPage shows a refusal and always a way on.
func refusalPage(f refusal) page {
	m := f.message()
	p := page{Title: m.title, Text: m.text, Detail: f.detail, Code: f.code, NewTab: f.code == codeFormNotKept}
	if !f.ofToken && (f.code == codeConnectionMismatch || f.code == codeOrgMismatch || f.code == codeLoginDenied) {
		p.Links = append(p.Links, link{f.signOut, "Sign out and use another account"})
	}
	if f.another != "" {
		p.Post = &link{f.signOut, "Sign out"}
		p.Links = append(p.Links, link{f.another, "Use another account"})
	}
	switch {
	case f.loginURL != "":
		p.Links = append(p.Links, link{f.loginURL, "Sign in"})
	case f.again != "":
		p.Links = append(p.Links, link{f.again, cmp.Or(waysOn[f.code], "Try again")})
	}
	if f.code == codeStepUpFailed || f.code == codeFormLost || f.code == codeMethodNotAllowed {
		p.Links = append(p.Links, link{"/", "Go to the start page"})
	}
	return p
}

// confirmLogoutPage asks before a logout that another site may have caused.
func confirmLogoutPage(action string) page {
	return page{
		Title: "Sign out?",
		Text:  "You came here from another site, or your browser does not say from where. Do you want to sign out?",
		Post:  &link{action, "Sign out"},
		Links: []link{{"/", "Stay signed in"}},
	}
}

func (h *Handler) writePage(w http.ResponseWriter, r *http.Request, status int, p page) {
	p.Style = pageStyle
	var body bytes.Buffer
	if err := pageTemplate.Execute(&body, p); err != nil {
		h.logger.Error("rendering the page", zap.Error(err))
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", p.policy(h.formOrigins(r, p)+" "+h.originOf(r).String()))
	header.Set("X-Frame-Options", "DENY")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", p.referrer())
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = body.WriteTo(w) // fails when the client is gone
	}
}

// policy allows what the page needs. Browsers hold the redirects that answer a form
// against form-action as well: the logout's lead to the tenant and back to the site's
// public address, those of a form of the application wherever that wants, those of a
// login to the child, too.
func (p *page) policy(origins string) string {
	scripts, forms := "", "'self' "+origins
	if p.Resend != nil || p.asksForAddress() {
		forms = "https: http:"
	}
	if p.Resend != nil && p.Resend.Script != "" {
		scripts = "script-src " + resendScriptHash + "; "
	}
	return "default-src 'none'; style-src " + styleHash + "; " + scripts + "form-action " + forms + "; base-uri 'none'; frame-ancestors 'none'"
}

func (p *page) asksForAddress() bool { return p.Choose != nil && p.Choose.Email != nil }

// referrer gives the Referrer-Policy. With no-referrer a browser would send a form with
// Origin: null; the application's must not show it the callback's address.
func (p *page) referrer() string {
	switch {
	case p.Resend != nil:
		return "strict-origin"
	case p.Post != nil || p.asksForAddress():
		return "same-origin"
	}
	return "no-referrer"
}
