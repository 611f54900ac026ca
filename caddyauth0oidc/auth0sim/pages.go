package auth0sim

import (
	"html/template"
	"net/http"
	"net/url"
)

// pages are deliberately plain; each says which simulated tenant shows it.
var pages = template.Must(template.New("pages").Parse(`
{{define "top"}}<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}} - {{.Tenant}}</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem;color:#1c1c28}
header{color:#54546a;font-size:.9rem}label,input,select{display:block;width:100%;box-sizing:border-box}
input,select,button{font:inherit;padding:.5rem;margin:.25rem 0 .75rem}form{margin:1rem 0}[role=alert]{color:#a40e26}
</style></head><body{{if .AutoSubmit}} onload="document.forms[0].submit()"{{end}}>
<header>Simulated Auth0 tenant <strong>{{.Tenant}}</strong></header><main><h1>{{.Title}}</h1>{{end}}
{{define "bottom"}}</main></body></html>
{{end}}

{{define "login"}}{{template "top" .}}
<p>to continue to {{.Application}}</p>
{{with .Problem}}<p role="alert">{{.}}</p>{{end}}
{{if .Database}}<form method="post" action="{{.Action}}" id="database">
<input type="hidden" name="state" value="{{.State}}">
<label for="username">Email address</label>
<input id="username" name="username" type="text" inputmode="email" autocomplete="username" required value="{{.Username}}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button type="submit" name="action" value="login">Continue</button></form>{{end}}
{{$page := .}}{{range .Federated}}<form method="post" action="{{$page.Action}}">
<input type="hidden" name="state" value="{{$page.State}}">
<button type="submit" name="action" value="connection:{{.Name}}">Continue with {{.Label}}</button></form>{{end}}
{{range .Social}}<form method="post" action="{{$page.Action}}">
<input type="hidden" name="state" value="{{$page.State}}">
<label for="user-{{.Name}}">Account at {{.Label}}</label>
<select id="user-{{.Name}}" name="user">{{range .Users}}<option value="{{.ID}}">{{.Name}} ({{.Email}})</option>{{end}}</select>
<button type="submit" name="action" value="connection:{{.Name}}">Continue with {{.Label}}</button></form>{{end}}
<form method="post" action="{{.Action}}"><input type="hidden" name="state" value="{{.State}}">
<button type="submit" name="action" value="cancel">Cancel</button></form>
{{template "bottom"}}{{end}}

{{define "error"}}{{template "top" .}}<p role="alert"><strong>{{.Code}}</strong></p><p>{{.Description}}</p>
{{template "bottom"}}{{end}}

{{define "form_post"}}{{template "top" .}}<form method="post" action="{{.Action}}">
{{range $name, $values := .Fields}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<noscript><button type="submit">Continue</button></noscript></form>{{template "bottom"}}{{end}}

{{define "logout"}}{{template "top" .}}<p>Do you want to log out?</p>
<form method="post" action="{{.Action}}">
{{range $name, $values := .Fields}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<button type="submit" name="action" value="accept">Log out</button></form>{{template "bottom"}}{{end}}

{{define "message"}}{{template "top" .}}<p>{{.Message}}</p>{{template "bottom"}}{{end}}
`))

// provider is a button of the login page.
type provider struct {
	Name, Label string
	Users       []User
}

type loginPage struct {
	Tenant, Application, State, Action, Problem, Username, Database string
	Federated, Social                                               []provider
}

// Title and AutoSubmit are asked for by the frame of every page.
func (loginPage) Title() string    { return "Log in" }
func (loginPage) AutoSubmit() bool { return false }

type plainPage struct {
	Tenant, Title, Code, Description, Message, Action string
	Fields                                            url.Values
	AutoSubmit                                        bool
}

func (t *Tenant) render(w http.ResponseWriter, status int, name string, page any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = pages.ExecuteTemplate(w, name, page) // the client is gone if this fails, and nobody is left to tell
}

func (t *Tenant) errorPage(w http.ResponseWriter, status int, code, description string) {
	t.render(w, status, "error", plainPage{Tenant: t.host, Title: "Oops!, something went wrong", Code: code, Description: description})
}

func (t *Tenant) formPostPage(w http.ResponseWriter, action string, fields url.Values) {
	t.render(w, http.StatusOK, "form_post", plainPage{
		Tenant: t.host, Title: "Submit this form", Action: action, Fields: fields, AutoSubmit: true,
	})
}
