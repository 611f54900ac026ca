package auth0sim_test

import (
	"fmt"
	"net/http"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/auth0sim"
)

// A user of the child tenant signs in at an application of the master tenant.
func Example() {
	network := auth0sim.NewNetwork()
	network.Handle("app.example.test", http.NotFoundHandler()) // the application under test stands here
	pair := auth0sim.NewPair(network, "https://app.example.test")

	browser := auth0sim.NewBrowser(network)
	login, err := browser.Get(pair.AuthorizeURL(nil))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(login.URL.Host)
	callback, err := browser.Login(login, pair.User.Email, auth0sim.PairPassword)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(callback.URL.Path, callback.URL.Query().Has("code"))
	fmt.Println(pair.MasterUserID(pair.User))
	// Output:
	// child.auth0.test
	// /auth/callback true
	// auth0-oidc|acme-child|auth0|563b9b6cf50bc24402a69b80
}
