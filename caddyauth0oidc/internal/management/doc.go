// Package management answers what Auth0's Management API knows of a tenant: its connections and who may use them, its
// applications, and the full profiles of its users.
// See https://auth0.com/docs/api/management/v2.
package management
