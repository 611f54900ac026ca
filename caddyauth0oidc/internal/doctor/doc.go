// Package doctor finds out why logins through a site do not work, or soon will not.
//
// A [Site] is what the settings of one directive come to. Each check looks at one matter, by asking the network, the tenant
// or the Management API, and reports [Finding]s: what is wrong, why, and what to do about it. Checks change nothing anywhere.
package doctor
