package caddyauth0oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

const revokeHelp = `
Ends sessions before their time, through the admin API of the Caddy that runs on this
machine. Every instance that shares Caddy's storage knows within its poll time (setting
revocation, 5s by default), the one that is asked at once.

--sub ends all sessions of a user that have begun until now. It is the user's id at the
master tenant, as the application sees it unless user_id_as changes that. Access tokens
of the user that were made until now are refused, too. --sid ends all sessions that began
with one session of the tenant, by its id (the claim sid). With both, only those of that
user are ended.

A user who was signed out in this way can sign in again. Block them at Auth0 first if
they should not. Nothing is said about whether there were any sessions: they are in the
browsers' cookies, of which nobody has a list.

Without --issuer and --client-id the order is for every tenant and client of the loaded
configuration.

Exit codes:
  0  done: the storage has the order
  1  not done, or on that instance only; the message says which
  2  the flags are not as they should be`

const revokeExamples = `  # sign a user out everywhere
  caddy auth0-oidc revoke --sub 'auth0-oidc|acme-child|auth0|563b9b6cf50bc24402a69b80'

  # end one session of the tenant, where Caddy's admin API has another address
  caddy auth0-oidc revoke --sid 0Pau0ZQ0ymVnsDPYQUMBBCyIRaDdgHLw --address localhost:2020`

// revokeFlags are the flags of revoke.
type revokeFlags struct {
	order                    revokeOrder
	address, config, adapter string
}

func newRevokeCommand(f *revokeFlags) *cobra.Command {
	c := &cobra.Command{
		Use: "revoke (--sub <user id> | --sid <session id>)", Args: noArguments,
		Short: "Ends sessions before their time, on every instance",
		Long:  revokeHelp, Example: revokeExamples,
		RunE: commandRunAtOnce(func(_ context.Context, s surroundings) (int, error) {
			s.hint("giving the order to the Caddy of this machine")
			return f.run(s.out)
		}),
	}
	c.SetFlagErrorFunc(commandUsage)
	flags := c.Flags()
	flags.StringVar(&f.order.Sub, "sub", "", "`id` of the user whose sessions end")
	flags.StringVar(&f.order.SID, "sid", "", "`id` of the session at the tenant (the claim sid)")
	flags.StringVar(&f.order.Issuer, "issuer", "", "`url` of the issuer whose directives are meant (default: all)")
	flags.StringVar(&f.order.ClientID, "client-id", "", "client `id` of the directives that are meant (default: all)")
	flags.StringVar(&f.address, "address", "", "`address` of the admin API (default: that of the configuration, or localhost:2019)")
	flags.StringVarP(&f.config, "config", "c", "", "configuration `file` to read the address from")
	flags.StringVarP(&f.adapter, "adapter", "a", "", "`name` of the configuration's adapter")
	completeFiles(c, "config")
	completeOneOf(c, "adapter", "caddyfile")
	completeNothing(c, "sub", "sid", "issuer", "client-id", "address")
	return c
}

// run gives the order to the running server.
func (f *revokeFlags) run(out io.Writer) (int, error) {
	body, err := json.Marshal(f.order)
	if err != nil {
		return exitFailed, fmt.Errorf("writing the order: %w", err)
	}
	if _, err := parseOrder(body); errors.Is(err, errWhoseOrder) {
		return exitUsage, errors.New("--sub or --sid is missing; see --help")
	} else if err != nil {
		return exitUsage, err
	}
	address, err := caddycmd.DetermineAdminAPIAddress(f.address, nil, f.config, f.adapter)
	if err != nil {
		return exitUsage, fmt.Errorf("finding the address of the admin API: %w", err)
	}
	answer, err := caddycmd.AdminAPIRequest(address, http.MethodPost, revokePath, nil, bytes.NewReader(body))
	if err != nil {
		return exitFailed, fmt.Errorf("asking the Caddy at %s: %w", address, err)
	}
	defer answer.Body.Close()
	var told revokedAnswer
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxOrder)).Decode(&told); err != nil {
		return exitFailed, fmt.Errorf("reading the answer of the Caddy at %s: %w", address, err)
	}
	_, err = fmt.Fprintf(out, "Ended, for %d %s. This instance knows at once, all others on its storage within their poll time.\n",
		told.Ledgers, plural(told.Ledgers, "tenant and client", "tenants and clients"))
	if err != nil {
		return exitFailed, fmt.Errorf("saying what was done: %w", err)
	}
	return exitDone, nil
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
