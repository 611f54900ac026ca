package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
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
)

// serveUpstream is the application: it costs as little as can be, since it shares
// the processors with what is measured.
func serveUpstream(address string) error {
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
		go answerAll(conn)
	}
}

// answerAll answers the requests of one connection, none of which has a body.
func answerAll(conn net.Conn) {
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
		if bytes.HasPrefix(head, []byte("GET "+seenPath+" ")) {
			reply = answer(string(head))
		}
		if _, err := conn.Write(reply); err != nil {
			return
		}
		head = head[:0]
	}
}

func answer(body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}
