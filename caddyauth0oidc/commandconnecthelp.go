package caddyauth0oidc

const connectHelp = `
Sets up, through the Management API, what a login through a child tenant needs: an
application in the child, an application in the master, and the connection between
them. It looks at what is there, shows a plan, asks, and then does what is missing.
A second run finds nothing to do. Options and lists that are there already are kept.

An application is one that exists (--client-id, --child-client-id), or one that is
created and found again by its name. The child's application is only looked at,
changed or created with a token for the child; without one, the plan lists what to
set there by hand. --child-connection says which of the child's connections, such
as Username-Password-Authentication, the child's application may use. --app-url gives
the applications their addresses: in the master those of the login and the logout, in
the child <url>/auth/logout, which the site needs for logout child.

Should a step fail, or Ctrl-C interrupt it, what the run has made is taken back, and
what it has changed is restored. A rate limit is waited for, some tries long.

Tokens and secrets are read from files or the environment, and never printed:

  master   AUTH0_MANAGEMENT_TOKEN, or AUTH0_MANAGEMENT_CLIENT_ID and
           AUTH0_MANAGEMENT_CLIENT_SECRET of a machine-to-machine application;
           or --token-file
  child    AUTH0_CHILD_MANAGEMENT_TOKEN, or AUTH0_CHILD_MANAGEMENT_CLIENT_ID and
           AUTH0_CHILD_MANAGEMENT_CLIENT_SECRET; or --child-token-file
  secret   AUTH0_CHILD_CLIENT_SECRET, or --child-client-secret-file, of the child's
           application; not needed if the child's token has read:client_keys, and
           refused if it is not the secret that this token reads

Scopes for the master: create:, read:, update: and delete:connections,
read:connections_options and update:connections_options; create:, read:, update: and
delete:clients, and read:client_keys for the secret in the --env-file. For the child:
the same of clients, and read: and update:connections for --child-connection. Without
the delete: scopes a run that fails cannot take back what it made.

The strategy auth0-oidc was deprecated by Auth0 in August 2019. It needs the legacy
user profile, a migration of the child tenant that newer tenants do not have and that
no API switches on. Take the default, oidc, for anything new. The strategy is a part
of the users' ids, so that a connection cannot move from one to the other.

What the command can neither do nor see is left to you: it is listed after the outcome
as "by hand", and is the list "by_hand" of the JSON object, which is not there if
nothing is left. The exit code is 0 all the same, because what cannot be seen stays
listed after it has been done.

Exit codes:
  0  done, or nothing to do; by_hand may name what is left to you
  1  failed; everything that was begun has been taken back
  2  the flags, the environment or a file are not as they should be
  3  nobody agreed to the plan
  4  failed, and the messages say what remains: changes that could not be taken back,
     or all of them, because the tenants are connected and only what comes after failed`

const connectExamples = `  # both applications exist; the child is set up by hand
  AUTH0_MANAGEMENT_TOKEN=... caddy auth0-oidc connect --master acme.eu.auth0.com --child acme-users.eu.auth0.com \
    --connection acme-child --client-id APP_CLIENT_ID --child-client-id CHILD_CLIENT_ID \
    --child-client-secret-file child_secret

  # with machine-to-machine applications of both tenants in the environment, everything is created
  caddy auth0-oidc connect --master acme.eu.auth0.com --child acme-users.eu.auth0.com --connection acme-child \
    --app-url https://app.example.com --child-connection Username-Password-Authentication --env-file site.env

  # what would be done, for a program
  caddy auth0-oidc connect --master acme.eu.auth0.com --child acme-users.eu.auth0.com --connection acme-child \
    --app-url https://app.example.com --dry-run --json`
