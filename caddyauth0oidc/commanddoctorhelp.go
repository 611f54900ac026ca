package caddyauth0oidc

const doctorHelp = `
Examines every site of a configuration that has the directive auth0_oidc, and names
what keeps users from signing in, or soon will: DNS, TLS, the discovery document and
its issuer, signing keys, clocks, how the application authenticates, callback and
logout addresses, the connection, and whether base URL, cookies and proxies fit each
other. Each finding has a code, what was seen, its likely cause and a remedy. All
codes are in docs/doctor.md.

It changes nothing anywhere, needs no running server, and is best run on the machine
and as the user that Caddy runs as, with the same environment (--envfile). Tenants are
asked in the way of the directive's http block. Nobody is signed in.

With credentials for the Management API, the settings of the tenants are looked at,
too. Without them it finds out what it can from outside, and says what is unknown:

  master   AUTH0_MANAGEMENT_TOKEN, or AUTH0_MANAGEMENT_CLIENT_ID and
           AUTH0_MANAGEMENT_CLIENT_SECRET of a machine-to-machine application
  child    AUTH0_CHILD_MANAGEMENT_TOKEN, or AUTH0_CHILD_MANAGEMENT_CLIENT_ID and
           AUTH0_CHILD_MANAGEMENT_CLIENT_SECRET

The scopes read:clients, read:connections, read:connections_options and
read:tenant_settings are enough. Where logins happen at a custom domain, --master names
the tenant's canonical one.

With --explain nothing is examined: an error of Auth0 or of this module is explained, by
its code, its text, the type of its event in a tenant's log, or the address of the
callback that it came to. The address may have a code or a state in it: with --explain -
it is read from the standard input, where other users of the machine do not see it.
Nothing of it is shown or kept.

With --json the standard output is one object: outcome (healthy, warnings, errors,
failed, usage), exit_code and findings (code, severity, site, seen, cause, remedy).

Exit codes:
  0  nothing is wrong; unknown matters do not count
  1  not everything could be looked at, as after Ctrl-C; or the error is not known
  2  the flags, the environment or a file are not as they should be
  3  there are warnings, and no errors
  4  there are errors`

const doctorExamples = `  # the Caddyfile of this folder
  caddy auth0-oidc doctor

  # as the service sees it
  sudo -u caddy caddy auth0-oidc doctor --config /etc/caddy/Caddyfile --envfile /etc/caddy/site.env

  # one site, with everything that is fine
  caddy auth0-oidc doctor --site app.example.com --verbose

  # what an error means
  caddy auth0-oidc doctor --explain connection_mismatch
  caddy auth0-oidc doctor --explain 'Callback URL mismatch'

  # the codes of all errors, for a script
  caddy auth0-oidc doctor --json | jq -r '.findings[] | select(.severity == "error") | .code'`
