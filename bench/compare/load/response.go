package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

var errResponse = errors.New("the answer cannot be read")

var (
	contentLength = []byte("content-length")
	connection    = []byte("connection")
	toClose       = []byte("close")
)

// response is what the load wants to know of an answer.
type response struct {
	status int
	last   bool // no other one follows on this connection
}

// readResponse reads an answer with a Content-Length and drops its body. It does
// no more than that, so that the load costs less than what it measures.
func readResponse(from *bufio.Reader) (response, error) {
	line, err := from.ReadSlice('\n')
	if err != nil {
		return response{}, fmt.Errorf("reading the answer: %w", err)
	}
	if len(line) < 14 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return response{}, errResponse
	}
	var r response
	if r.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return response{}, errResponse
	}
	length, err := r.readHeader(from)
	if err != nil {
		return response{}, err
	}
	if _, err := from.Discard(length); err != nil {
		return response{}, fmt.Errorf("reading the body: %w", err)
	}
	return r, nil
}

func (r *response) readHeader(from *bufio.Reader) (length int, err error) {
	length = -1
	for {
		line, err := from.ReadSlice('\n')
		if err != nil {
			return 0, fmt.Errorf("reading the header: %w", err)
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch value = bytes.TrimSpace(value); {
		case bytes.EqualFold(name, contentLength):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return 0, errResponse
			}
		case bytes.EqualFold(name, connection):
			r.last = bytes.EqualFold(value, toClose)
		}
	}
	if length < 0 {
		return 0, fmt.Errorf("%w: status %d without a Content-Length", errResponse, r.status)
	}
	return length, nil
}
