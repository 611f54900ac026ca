package auth0sim

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// LoopbackTransport sends requests for every name below localhost to this machine, as browsers do (RFC 6761 section 6.3),
// whether a resolver knows the name or not, and no request to any other.
func LoopbackTransport() *http.Transport {
	var dialer net.Dialer
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			if !strings.HasSuffix(host, ".localhost") {
				return nil, fmt.Errorf("nothing leaves this machine, and %s is another", host)
			}
			return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}
}
