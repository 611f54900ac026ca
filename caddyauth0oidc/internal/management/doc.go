// Package management answers what is set up on Auth0's side.
//
// It is the room for the Management API: the plan of a connection and its
// application, the full profile, and the child tenant's token. Nothing is in it
// yet; README.md has the calls that set up a connection by hand.
package management
