// Package load asks a server for the same again and again, over a fixed number of
// connections, each of which waits for its answer before it asks again.
package load

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// patience is how long the last answers may take after the end of a load.
const patience = 10 * time.Second

// Result is what came of a load.
type Result struct {
	Requests  int             // answered with 200
	Bad       int             // answered with another status
	Elapsed   time.Duration   // until the last answer
	Latencies []time.Duration // of every answer, sorted
}

// Client holds the connections to one server. It runs one load at a time.
type Client struct {
	address string
	source  *Source
	conns   []*conn
}

// Dial opens the connections. They are kept from one load to the next.
func Dial(ctx context.Context, address string, connections int, source *Source) (*Client, error) {
	c := &Client{address: address, source: source}
	for range connections {
		next := &conn{address: address, source: source}
		if err := next.dial(ctx); err != nil {
			c.Close()
			return nil, err
		}
		c.conns = append(c.conns, next)
	}
	return c, nil
}

// Close closes the connections.
func (c *Client) Close() {
	for _, one := range c.conns {
		_ = one.Close()
	}
}

// Use lets the next load send these cookies, at least one. No load may be running.
func (c *Client) Use(cookies []string) { c.source.use(cookies) }

// For asks until the duration is over.
func (c *Client) For(ctx context.Context, d time.Duration) (Result, error) {
	end := time.Now().Add(d)
	return c.run(ctx, end, func(now time.Time) bool { return now.Before(end) })
}

// Times asks n times, and gives up at the time until.
func (c *Client) Times(ctx context.Context, n int, until time.Time) (Result, error) {
	var asked atomic.Int64
	return c.run(ctx, until, func(time.Time) bool { return asked.Add(1) <= int64(n) })
}

func (c *Client) run(ctx context.Context, end time.Time, more func(now time.Time) bool) (Result, error) {
	parts, errs := make([]Result, len(c.conns)), make([]error, len(c.conns))
	deadline := end.Add(patience)
	begin := time.Now()
	var all sync.WaitGroup
	for i, one := range c.conns {
		all.Go(func() { parts[i], errs[i] = one.run(ctx, deadline, more) })
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	sum := Result{Elapsed: time.Since(begin)}
	for i, part := range parts {
		if errs[i] != nil {
			return Result{}, fmt.Errorf("loading %s: %w", c.address, errs[i])
		}
		sum.Requests += part.Requests
		sum.Bad += part.Bad
		sum.Latencies = append(sum.Latencies, part.Latencies...)
	}
	slices.Sort(sum.Latencies)
	return sum, nil
}

// conn is one connection and what is reused from one request to the next.
type conn struct {
	net.Conn
	address string
	source  *Source
	reader  *bufio.Reader
	request []byte
}

func (c *conn) dial(ctx context.Context) error {
	dialer := net.Dialer{Timeout: patience}
	opened, err := dialer.DialContext(ctx, "tcp", c.address)
	if err != nil {
		return err
	}
	c.Conn, c.reader = opened, bufio.NewReaderSize(opened, 8<<10)
	return nil
}

func (c *conn) run(ctx context.Context, deadline time.Time, more func(now time.Time) bool) (Result, error) {
	release, err := c.bound(ctx, deadline)
	if err != nil {
		return Result{}, err
	}
	defer func() { release() }()
	var r Result
	begin := time.Now()
	for more(begin) {
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
		answer, err := c.ask()
		if err != nil {
			return Result{}, err
		}
		end := time.Now()
		r.Latencies = append(r.Latencies, end.Sub(begin))
		begin = end
		if answer.status == http.StatusOK {
			r.Requests++
		} else {
			r.Bad++
		}
		if answer.last {
			release()
			if release, err = c.redial(ctx, deadline); err != nil {
				return Result{}, err
			}
		}
	}
	return r, nil
}

func (c *conn) ask() (response, error) {
	c.request = c.source.appendNext(c.request[:0])
	if _, err := c.Write(c.request); err != nil {
		return response{}, err
	}
	return readResponse(c.reader)
}

func (c *conn) redial(ctx context.Context, deadline time.Time) (release func() bool, err error) {
	_ = c.Close()
	if err := c.dial(ctx); err != nil {
		return func() bool { return true }, err
	}
	return c.bound(ctx, deadline)
}

// bound makes the deadline, or an earlier end of the context, end what waits for
// an answer.
func (c *conn) bound(ctx context.Context, deadline time.Time) (release func() bool, err error) {
	bounded := c.Conn
	if err := bounded.SetDeadline(deadline); err != nil {
		return func() bool { return true }, err
	}
	return context.AfterFunc(ctx, func() { _ = bounded.SetDeadline(time.Unix(1, 0)) }), nil
}
