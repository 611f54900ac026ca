package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/bench/peers"
)

const (
	// upstreamCommand is the argument with which this program is the application
	// behind the proxies instead.
	upstreamCommand = "upstream"
	// seenPath is answered with the request as it arrived.
	seenPath = "/seen"
	// loadPath is answered with answerSize bytes.
	loadPath   = "/reports?page=2"
	answerSize = 1024
	// showLimit is how long the witness may take.
	showLimit = 5 * time.Second
)

// serveUpstream is the application: it costs as little as can be, since it shares
// the processors with what is measured. What proofs of peers ask for it shows to the
// witness at that address, which is empty where there are none.
func serveUpstream(address, witness string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer l.Close()
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go answerAll(conn, witness)
	}
}

// answerAll answers the requests of one connection, none of which has a body.
func answerAll(conn net.Conn, witness string) {
	defer conn.Close()
	page, reader, head := answer(strings.Repeat("x", answerSize)), bufio.NewReaderSize(conn, 64<<10), []byte(nil)
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		if head = append(head, line...); len(line) > 2 {
			continue
		}
		reply := page
		switch {
		case bytes.HasPrefix(head, []byte("GET "+seenPath+" ")):
			reply = answer(string(head))
		case bytes.HasPrefix(head, []byte("GET "+peers.ProofPath)):
			if show(head, witness) != nil {
				return // the proof will fail for want of the request
			}
		}
		if _, err := conn.Write(reply); err != nil {
			return
		}
		head = head[:0]
	}
}

// show lets the witness see a request.
func show(request []byte, witness string) error {
	dialer := net.Dialer{Timeout: showLimit}
	conn, err := dialer.Dial("tcp", witness)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(showLimit)); err != nil {
		return err
	}
	if _, err := conn.Write(request); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

func answer(body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}
