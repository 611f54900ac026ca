package auth0sim

import (
	"net/http"
	"net/url"
	"strings"
)

// pendingTransaction returns the login that a page of the tenant belongs to, as long as nobody has signed in.
func (t *Tenant) pendingTransaction(state string) (*transaction, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tx, ok := t.transactions[state]
	return tx, ok && tx.sid == ""
}

func (t *Tenant) serveLoginPage(w http.ResponseWriter, r *http.Request) {
	state := r.URL.Query().Get("state")
	tx, ok := t.pendingTransaction(state)
	if !ok {
		t.lostTransaction(w)
		return
	}
	t.loginPage(w, http.StatusOK, tx, state, "")
}

// loginPage offers the connections that the application may use, or the one that the request names.
func (t *Tenant) loginPage(w http.ResponseWriter, status int, tx *transaction, state, problem string) {
	app, _ := t.application(tx.clientID)
	page := loginPage{
		Tenant: t.host, Application: app.Name, State: state, Action: t.base() + "/u/login?state=" + url.QueryEscape(state),
		Problem: problem, Username: tx.loginHint,
	}
	for _, c := range t.enabledConnections(tx.clientID) {
		switch {
		case tx.connection != "" && tx.connection != c.Name:
		case c.Strategy == "auth0":
			page.Database = c.Name
		case c.federated():
			page.Federated = append(page.Federated, provider{Name: c.Name, Label: c.label()})
		default:
			page.Social = append(page.Social, provider{Name: c.Name, Label: c.label(), Users: t.usersOf(c.Name)})
		}
	}
	t.render(w, status, "login", page)
}

func (t *Tenant) serveLoginForm(w http.ResponseWriter, r *http.Request) {
	state := r.FormValue("state")
	tx, ok := t.pendingTransaction(state)
	if !ok || state != r.URL.Query().Get("state") {
		t.lostTransaction(w)
		return
	}
	switch action := r.PostFormValue("action"); action {
	case "cancel":
		t.forget(state)
		t.refuse(w, r, tx, authorizeError{"access_denied", "User has canceled the interaction."})
	case "login":
		t.loginWithPassword(w, r, tx, state)
	default:
		t.loginWithConnection(w, r, tx, state, strings.TrimPrefix(action, "connection:"))
	}
}

func (t *Tenant) loginWithPassword(w http.ResponseWriter, r *http.Request, tx *transaction, state string) {
	name, password := r.PostFormValue("username"), r.PostFormValue("password")
	for _, c := range t.enabledConnections(tx.clientID) {
		if c.Strategy != "auth0" || tx.connection != "" && tx.connection != c.Name {
			continue
		}
		for _, u := range t.usersOf(c.Name) {
			if strings.EqualFold(u.Email, name) && u.Password != "" && u.Password == password {
				t.resume(w, r, tx, state, u.ID, c.Name, "")
				return
			}
		}
	}
	t.loginPage(w, http.StatusBadRequest, tx, state, "Wrong email or password.")
}

// loginWithConnection goes to a federated connection, or signs in the chosen user of a simulated social one.
func (t *Tenant) loginWithConnection(w http.ResponseWriter, r *http.Request, tx *transaction, state, name string) {
	for _, c := range t.enabledConnections(tx.clientID) {
		if c.Name != name || c.Strategy == "auth0" || tx.connection != "" && tx.connection != c.Name {
			continue
		}
		if c.federated() {
			t.forget(state)
			if problem := t.goUpstream(w, r, tx, c); problem != nil {
				t.refuse(w, r, tx, *problem)
			}
			return
		}
		for _, u := range t.usersOf(c.Name) {
			if u.ID == r.PostFormValue("user") {
				t.resume(w, r, tx, state, u.ID, c.Name, "")
				return
			}
		}
	}
	t.loginPage(w, http.StatusBadRequest, tx, state, "That identity provider or user is not available.")
}

// resume starts the session and sends the browser on to /authorize/resume.
func (t *Tenant) resume(
	w http.ResponseWriter, r *http.Request, tx *transaction, state, userID, connection, idToken string,
) {
	sid := t.signIn(w, r, userID, connection, idToken)
	t.mu.Lock()
	tx.sid = sid
	t.transactions[state] = tx
	t.mu.Unlock()
	http.Redirect(w, r, t.base()+"/authorize/resume?state="+url.QueryEscape(state), http.StatusFound)
}

func (t *Tenant) forget(state string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.transactions, state)
}
