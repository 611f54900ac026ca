package session

import "strings"

// maxCandidates is how many cookies of the same name are looked at. A sibling
// domain can plant cookies of our name in front of ours.
const maxCandidates = 4

// Names tells which cookies of a request are ours.
type Names struct {
	Session     string // name of the session cookie's first chunk
	Transaction string // prefix of the cookies of pending logins
}

// Own tells whether a cookie of this name is ours: the session cookie or that of its
// tokens, one of their chunks, a pending login, the form that waits for one, the count
// of recent logins, the mark of a logout or the last connection. Names are compared as browsers do, case included.
func (n Names) Own(name string) bool {
	if rest, ok := strings.CutPrefix(name, n.Session); ok && n.Session != "" {
		rest = strings.TrimPrefix(rest, tokensSuffix)
		if rest == "" {
			return true
		}
		if _, ok := chunkNumber(rest); ok {
			return true
		}
	}
	rest, ok := strings.CutPrefix(name, n.Transaction)
	return ok && n.Transaction != "" && (rest == attemptsSuffix || rest == signedOutSuffix || rest == connectionSuffix || isFormSuffix(rest) || validTransactionID(rest))
}

// chunkNumber reads the suffix of a further chunk, a dot and one digit from 1 to 9.
func chunkNumber(suffix string) (int, bool) {
	if len(suffix) != 2 || suffix[0] != '.' || suffix[1] < '1' || suffix[1] > '9' {
		return 0, false
	}
	return int(suffix[1] - '0'), true
}

// splitPair returns the name and the value of one piece of a Cookie header. A piece
// without a name or without an equals sign is no cookie of ours.
func splitPair(pair string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(strings.Trim(pair, " \t"), "=")
	return name, value, ok && name != ""
}

// eachCookie calls do for every cookie whose name begins with prefix.
func eachCookie(lines []string, prefix string, do func(suffix, value string)) {
	for _, line := range lines {
		for more := true; more; {
			var pair string
			pair, line, more = strings.Cut(line, ";")
			name, value, ok := splitPair(pair)
			if suffix, ours := strings.CutPrefix(name, prefix); ok && ours {
				do(suffix, value)
			}
		}
	}
}

// candidates returns the values of the cookies of this name, at most maxCandidates.
func candidates(lines []string, name string) (values [maxCandidates]string, n int) {
	eachCookie(lines, name, func(suffix, value string) {
		if suffix == "" && n < maxCandidates {
			values[n] = value
			n++
		}
	})
	return values, n
}

// Strip returns the Cookie header lines without the cookies that are ours. The
// others stay byte for byte as they were, odd ones included. When nothing is ours
// the same slice comes back; when nothing but ours was there, nil.
//
// Own is asked about each name without the spaces, signs and non-ASCII characters
// around it: a lenient application would read such a lookalike as ours.
func Strip(lines []string, own func(name string) bool) (kept []string, changed bool) {
	for i, line := range lines {
		rest, cut := stripLine(line, own)
		if cut && !changed {
			changed = true
			if i > 0 {
				kept = append(make([]string, 0, len(lines)), lines[:i]...)
			}
		}
		if changed && (!cut || strings.Trim(rest, "; \t") != "") {
			kept = append(kept, rest)
		}
	}
	if !changed {
		return lines, false
	}
	return kept, true
}

func stripLine(line string, own func(name string) bool) (kept string, changed bool) {
	var stay stretches
	start := 0 // of the stretch of cookies that stay
	for at := 0; at <= len(line); {
		pair, _, _ := strings.Cut(line[at:], ";")
		end := at + len(pair)
		if own(lenientName(pair)) {
			changed = true
			if start < at {
				stay.add(line, start, at-1)
			}
			start = end + 1
		}
		at = end + 1
	}
	if !changed {
		return line, false
	}
	if start <= len(line) {
		stay.add(line, start, len(line))
	}
	return stay.text(), true
}

// stretches joins parts of a line. It copies only when there is more than one.
type stretches struct {
	first  string
	joined strings.Builder
	n      int
}

func (s *stretches) add(line string, start, end int) {
	part := line[start:end]
	switch s.n {
	case 0:
		if start > 0 { // the space that followed the separator goes with it
			part = strings.TrimLeft(part, " \t")
		}
		s.first = part
	case 1:
		s.joined.Grow(len(line))
		s.joined.WriteString(s.first)
		fallthrough
	default:
		s.joined.WriteByte(';')
		s.joined.WriteString(part)
	}
	s.n++
}

func (s *stretches) text() string {
	if s.n < 2 {
		return s.first
	}
	return s.joined.String()
}

// SetCookieName returns the name that the most lenient browser would give a cookie of
// this Set-Cookie line.
func SetCookieName(line string) string {
	pair, _, _ := strings.Cut(line, ";")
	return lenientName(pair)
}

// lenientName returns the name of a cookie as the most lenient reader might see it.
func lenientName(pair string) string {
	name := strings.TrimLeftFunc(pair, notInName)
	name, _, _ = strings.Cut(name, "=")
	return strings.TrimRightFunc(name, notInName)
}

// notInName tells characters that a cookie's name cannot have: controls, spaces,
// separators and whatever is not ASCII. RFC 6265 section 4.1.1, RFC 9110 section 5.6.2.
func notInName(r rune) bool {
	return !isNameRune(r) && (r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r))
}

// isNameRune tells the characters that our own names consist of, which are those of
// base64url too.
func isNameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-'
}
