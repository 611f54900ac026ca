package caddyauth0oidc

const overviewHelp = `
The commands of the directive auth0_oidc, for what is done beside a running server, and
to one. Each has a page of its own, with examples and exit codes: --help.

What they tell about their way goes to the standard error, and only if that is a
terminal; results go to the standard output. With --json that has one JSON object alone.
Secrets and tokens are read from files, the environment or the standard input, never
from the command line, and are not shown. NO_COLOR=1 switches colours off.

The shell completes commands, flags and many values (bash with the system's package
bash-completion) after

  source <(caddy completion bash)

Exit codes of all commands:
  0  done
  1  not done; the message says why
  2  the flags or what they name are not as they should be; nothing was done
Further ones are in the help of the command that has them.`

const overviewExamples = `  # set up both tenants, and look at the plan first
  caddy auth0-oidc connect --master acme.eu.auth0.com --child acme-users.eu.auth0.com --connection acme-child \
    --app-url https://app.example.com --dry-run

  # what is wrong, and what an error means
  caddy auth0-oidc doctor --config /etc/caddy/Caddyfile
  caddy auth0-oidc doctor --explain 'Callback URL mismatch'

  # make a secret, look into a cookie, end a user's sessions
  caddy auth0-oidc keygen --output /etc/caddy/auth0_secret
  caddy auth0-oidc inspect --config /etc/caddy/Caddyfile --cookie-file cookie.txt
  caddy auth0-oidc revoke --sub 'oidc|acme-child|auth0|563b9b6cf50bc24402a69b80'`
