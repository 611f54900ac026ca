package doctor

import (
	"cmp"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Explanation says what an error means where users of a child tenant sign in through a master tenant.
type Explanation struct {
	// Name is the code or the words by which the error is known here, never anything that was asked for.
	Name string `json:"name"`
	// Kind says whose word that is.
	Kind Kind `json:"kind"`
	// Means says what has happened.
	Means string `json:"means"`
	// Causes are the likely reasons, the likeliest first.
	Causes []string `json:"causes,omitempty"`
	// Remedies say what to do, and where: a place of Auth0's dashboard, a setting or a command.
	Remedies []string `json:"remedies,omitempty"`
	// Source is the address of the page that says more.
	Source string `json:"source"`
}

// Kind says who uses a word.
type Kind string

// The kinds of errors that can be explained.
const (
	// OfAuth0 is an error code of OAuth, OpenID Connect or one of Auth0's APIs.
	OfAuth0 Kind = "error code of Auth0"
	// OfModule is one of docs/errors.md.
	OfModule Kind = "error code of this module"
	// LogEvent is the type of an event in a tenant's log.
	LogEvent Kind = "event type of a tenant's log"
	// Message is a text of Auth0, or of this module's log.
	Message Kind = "message"
	// Answer is the address of a login that Auth0 found nothing wrong with.
	Answer Kind = "answer of Auth0"
)

// maxExplained bounds what is looked at, in bytes.
const maxExplained = 64 << 10

// explained is a row of the tables. Names of messages are as plainWords leaves them.
type explained struct {
	names            []string
	means            string
	causes, remedies []string
	source           string
}

func (e explained) explanation(kind Kind, name string) Explanation {
	return Explanation{Name: name, Kind: kind, Means: e.means, Causes: e.causes, Remedies: e.remedies, Source: e.source}
}

// Explain finds what is known of an error: a code of Auth0 or of this module, a description, the text of a page, an event type,
// the address of a callback, or a JSON object with one of these. It tells whether anything is.
func Explain(text string) (Explanation, bool) {
	asked := readAsked(text[:min(len(text), maxExplained)])
	found := []func() (Explanation, bool){
		asked.byMessage,
		func() (Explanation, bool) { return byCode(asked.ours, ownCodes, OfModule) },
		func() (Explanation, bool) { return byCode(asked.theirs, auth0Codes, OfAuth0) },
		func() (Explanation, bool) { return byCode(asked.event, logEvents, LogEvent) },
		asked.byWord,
		asked.byAnswer,
	}
	for _, find := range found {
		if explanation, ok := find(); ok {
			return explanation, true
		}
	}
	return Explanation{}, false
}

// asked is what the operator has, taken apart.
type asked struct {
	theirs, ours, event string // codes that say themselves whose they are
	words               string // all else that is text
	answered            bool   // an address with a code, and no error
}

func readAsked(text string) asked {
	text = strings.TrimSpace(text)
	if a, ok := askedInJSON(text); ok {
		return a
	}
	if a, ok := askedInAddress(text); ok {
		return a
	}
	return asked{words: text}
}

// askedInJSON reads an answer of the token endpoint or the Management API, problem+json of this module, or an event of a log.
func askedInJSON(text string) (asked, bool) {
	var answer struct {
		Error, Code, ErrorCode, Type, Description, Message, Detail string
		ErrorDescription                                           string `json:"error_description"`

		Data json.RawMessage // of an event in a stream of logs
	}
	if !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), &answer) != nil {
		return asked{}, false
	}
	var event struct{ Type, Description string }
	_ = json.Unmarshal(answer.Data, &event) // other programs have other data
	a := asked{theirs: cmp.Or(answer.ErrorCode, answer.Error), event: cmp.Or(answer.Type, event.Type)}
	if isKnown(ownCodes, answer.Code) {
		a.ours = answer.Code
	}
	a.words = strings.Join([]string{a.theirs, answer.ErrorDescription, answer.Description, event.Description, answer.Message}, " ")
	return a, true
}

// inAddress finds a query or a fragment in which Auth0 answers.
var inAddress = regexp.MustCompile(`(?:^|[?&#])(?:error|error_description|code|state)=`)

// askedInAddress reads what Auth0 has added to an address. Its code and its state go nowhere.
func askedInAddress(text string) (asked, bool) {
	at := strings.IndexAny(text, "?#")
	if !inAddress.MatchString(text) || strings.ContainsAny(text[:max(at, 0)], " \t\n") {
		return asked{}, false
	}
	query := url.Values{}
	for pair := range strings.FieldsFuncSeq(text[at+1:], func(r rune) bool { return r == '&' || r == '#' || r == '?' }) {
		name, value, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(value); err == nil {
			value = decoded
		}
		query.Add(name, value)
	}
	a := asked{theirs: query.Get("error"), answered: query.Has("code") && !query.Has("error")}
	a.words = query.Get("error_description") // without the code: together they may read as an answer of the token endpoint
	return a, true
}

// quotes are left out, because pages, logs and shells write them differently.
var quotes = strings.NewReplacer(`"`, "", `'`, "", "`", "", "“", "", "”", "", "‘", "", "’", "", ":", " ", "\\", "")

// plainWords is a text in the spelling of the tables.
func plainWords(text string) string {
	return strings.Join(strings.Fields(quotes.Replace(strings.ToLower(text))), " ")
}

// byMessage finds the longest message that the words contain.
func (a asked) byMessage() (best Explanation, ok bool) {
	words := plainWords(a.words)
	for _, e := range knownMessages {
		for _, name := range e.names {
			if len(name) > len(best.Name) && strings.Contains(words, name) {
				best, ok = e.explanation(Message, name), true
			}
		}
	}
	return best, ok
}

func byCode(code string, table []explained, kind Kind) (Explanation, bool) {
	for _, e := range table {
		if code != "" && slices.Contains(e.names, strings.ToLower(code)) {
			return e.explanation(kind, strings.ToLower(code)), true
		}
	}
	return Explanation{}, false
}

func isKnown(table []explained, code string) bool {
	_, ok := byCode(code, table, "")
	return ok
}

// byWord finds a code among the words. A word of daily use counts only if it stands alone.
func (a asked) byWord() (Explanation, bool) {
	words := strings.FieldsFunc(a.words, func(r rune) bool {
		return r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	for _, word := range words {
		word = strings.Trim(word, ".")
		if len(words) > 1 && !strings.Contains(word, "_") && len(word) < len("feacft") {
			continue
		}
		if explanation, ok := ofWord(word); ok {
			return explanation, true
		}
	}
	return Explanation{}, false
}

// ofWord explains a code of which nobody says whose it is. Some are both Auth0's and ours.
func ofWord(word string) (Explanation, bool) {
	ours, isOurs := byCode(word, ownCodes, OfModule)
	theirs, isTheirs := byCode(word, auth0Codes, OfAuth0)
	switch {
	case isOurs && isTheirs:
		ours.Means = "From this module: " + ours.Means + " From Auth0: " + theirs.Means
		ours.Causes = slices.Concat(ours.Causes, theirs.Causes)
		ours.Remedies = slices.Concat(ours.Remedies, theirs.Remedies)
		ours.Kind += ", and of Auth0"
		return ours, true
	case isOurs:
		return ours, true
	case isTheirs:
		return theirs, true
	}
	return byCode(word, logEvents, LogEvent)
}

// byAnswer explains an address in which Auth0 has nothing to complain of.
func (a asked) byAnswer() (Explanation, bool) {
	return answeredWell.explanation(Answer, "code"), a.answered
}
