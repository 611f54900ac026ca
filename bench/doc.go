// Package bench answers what the plugin costs: its benchmarks measure the parts,
// its tests guard their allocations, and the command compare measures whole Caddy
// processes against each other. What they share is here: made-up users, their
// cookies, and the directive that accepts them.
//
// It is a module of its own, so that users of the plugin do not get what only the
// measurement needs. Its path lies below caddyauth0oidc, because only there the
// packages in caddyauth0oidc/internal can be imported.
package bench
