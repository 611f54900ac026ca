package session

import (
	"slices"
	"strings"
	"testing"
)

const testID = "69f8a1b7AbCdEfGhIjKl-_09"

var testNames = Names{Session: "auth0_session", Transaction: "auth0_txn_"}

func TestOwnCookies(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"auth0_session":               true,
		"auth0_session.1":             true,
		"auth0_session.9":             true,
		"auth0_session-t":             true,
		"auth0_session-t.1":           true,
		"auth0_txn_" + testID:         true,
		"auth0_txn_recent":            true,
		"auth0_txn_connection":        true,
		"auth0_txn_connections":       false,
		"":                            false,
		"auth0_session.0":             false,
		"auth0_session-t-t":           false,
		"auth0_session-tx":            false,
		"auth0_session.1-t":           false,
		"auth0_session.10":            false,
		"auth0_session.":              false,
		"auth0_session_1":             false,
		"auth0_session.backup":        false,
		"auth0_session.1.1":           false,
		"auth0_sessionx":              false,
		"xauth0_session":              false,
		"Auth0_session":               false,
		"__Host-auth0_session":        false,
		"auth0_txn_":                  false,
		"auth0_txn_x":                 false,
		"auth0_txn_form":              true,
		"auth0_txn_form.1":            true,
		"auth0_txn_form.9":            true,
		"auth0_txn_form.10":           false,
		"auth0_txn_form-t":            false,
		"auth0_txn_forms":             false,
		"auth0_txn_recently":          false,
		"auth0_txn_" + testID + "x":   false,
		"auth0_txn_X" + testID[1:]:    false,
		"auth0_txn_" + testID[1:]:     false,
		"auth0_txn_.9f8a1b7" + "0123": false,
	} {
		if got := testNames.Own(name); got != want {
			t.Errorf("%q: ours %v, want %v", name, got, want)
		}
	}
	if (Names{}).Own("") || (Names{}).Own(".1") || (Names{}).Own(testID) {
		t.Error("cookies are ours although none were named")
	}
}

func TestCK_12_NameOfASetCookieLineAsTheMostLenientBrowserReadsIt(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"auth0_session=1; Path=/": "auth0_session", " auth0_session =1": "auth0_session", "=auth0_session=1": "auth0_session",
		`"auth0_session"=1`: "auth0_session", "auth0_session": "auth0_session", "auth0_session; Path=/": "auth0_session",
		"theme=auth0_session": "theme", "": "", ";auth0_session=1": "",
	} {
		if got := SetCookieName(line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestINV_03_StripTakesOurCookiesAndNothingElse(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct{ lines, want []string }{
		"only":                     {[]string{"auth0_session=x"}, nil},
		"first":                    {[]string{"auth0_session=x; a=1"}, []string{"a=1"}},
		"middle":                   {[]string{"a=1; auth0_session=x; b=2"}, []string{"a=1; b=2"}},
		"last":                     {[]string{"a=1; auth0_session=x"}, []string{"a=1"}},
		"chunks side by side":      {[]string{"a=1; auth0_session=x; auth0_session.1=y; b=2"}, []string{"a=1; b=2"}},
		"chunks apart":             {[]string{"auth0_session=x; a=1; auth0_session.1=y; b=2; auth0_session.2=z"}, []string{"a=1; b=2"}},
		"three stretches":          {[]string{"a=1; auth0_session=x; b=2; auth0_txn_recent=y; c=3"}, []string{"a=1; b=2; c=3"}},
		"pending login":            {[]string{"auth0_txn_" + testID + "=x; a=1"}, []string{"a=1"}},
		"without spaces":           {[]string{"a=1;auth0_session=x;b=2"}, []string{"a=1;b=2"}},
		"without a value":          {[]string{"a=1; auth0_session="}, []string{"a=1"}},
		"without an equals sign":   {[]string{"a=1; auth0_session"}, []string{"a=1"}},
		"odd pairs stay":           {[]string{`  a = "1, 2" ;; =b;c; auth0_session=x;d="; "`}, []string{`  a = "1, 2" ;; =b;c;d="; "`}},
		"CK-11 inside quotes":      {[]string{`$Version=1; x="foo; auth0_session=evil; bar"`}, []string{`$Version=1; x="foo; bar"`}},
		"CK-12 nameless":           {[]string{"=auth0_session=evil; a=1"}, []string{"a=1"}},
		"CK-12 unicode space":      {[]string{"a=1; \u2000auth0_session=evil"}, []string{"a=1"}},
		"CK-12 no-break space":     {[]string{"a=1; auth0_session\u00a0=evil"}, []string{"a=1"}},
		"CK-12 Latin-1 space":      {[]string{"a=1; \xa0auth0_session=evil"}, []string{"a=1"}},
		"CK-12 spaces around":      {[]string{"a=1;\t auth0_session \t =evil"}, []string{"a=1"}},
		"CK-12 controls":           {[]string{"a=1; \x0b\x1fauth0_session\x7f=evil"}, []string{"a=1"}},
		"CK-12 quoted name":        {[]string{`a=1; "auth0_session"=evil`}, []string{"a=1"}},
		"CK-13 case variant stays": {[]string{"Auth0_Session=x; a=1"}, []string{"Auth0_Session=x; a=1"}},
		"CK-14 application's own":  {[]string{"auth0_session.backup=x; auth0_session_1=y"}, []string{"auth0_session.backup=x; auth0_session_1=y"}},
		"CK-15 several lines":      {[]string{"a=1", "auth0_session=x", "b=2; auth0_session.1=y", "c=3"}, []string{"a=1", "b=2", "c=3"}},
		"name in a value":          {[]string{"a=auth0_session=x; b=auth0_session"}, []string{"a=auth0_session=x; b=auth0_session"}},
		"CVE-MAO-13 ;":             {[]string{";"}, []string{";"}},
		"CVE-MAO-13 ; ;=":          {[]string{"; ;="}, []string{"; ;="}},
		"CVE-MAO-13 empty":         {[]string{""}, []string{""}},
		"CVE-MAO-13 spaces":        {[]string{" ; \t;"}, []string{" ; \t;"}},
		"CVE-MAO-13 ours in junk":  {[]string{"; ;auth0_session=x; ;"}, nil},
		"empty line stays":         {[]string{"", "auth0_session=x", "a=1"}, []string{"", "a=1"}},
		"no lines":                 {nil, nil},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			before := slices.Clone(tc.lines)
			got, changed := Strip(tc.lines, testNames.Own)
			if !slices.Equal(got, tc.want) || changed != !slices.Equal(tc.lines, tc.want) {
				t.Errorf("got %q, %v; want %q", got, changed, tc.want)
			}
			if !slices.Equal(tc.lines, before) {
				t.Errorf("the request's own lines were changed to %q", tc.lines)
			}
		})
	}
}

func TestStripReturnsNilWhenNothingIsLeft(t *testing.T) {
	t.Parallel()
	if got, changed := Strip([]string{"auth0_session=x;", "auth0_session.1=y"}, testNames.Own); got != nil || !changed {
		t.Errorf("got %q, %v", got, changed)
	}
}

func TestStripAllocatesOnlyWhatItMust(t *testing.T) {
	for line, want := range map[string]float64{
		"a=1; b=2; c=3":                    0,
		"auth0_session=x":                  0,
		"a=1; b=2; auth0_session=x":        1, // the new slice of lines
		"auth0_session=x; a=1; b=2":        1,
		"a=1; b=2; auth0_session=x; c=345": 2, // and the joined line
	} {
		lines := []string{line}
		if got := testing.AllocsPerRun(100, func() { Strip(lines, testNames.Own) }); got > want {
			t.Errorf("%q: %v allocations, want at most %v", line, got, want)
		}
	}
}

// The pieces of a header between separators, spaces around them left out.
func pieces(lines []string) []string {
	var all []string
	for _, line := range lines {
		for _, piece := range strings.Split(line, ";") {
			if piece = strings.Trim(piece, " \t"); piece != "" {
				all = append(all, piece)
			}
		}
	}
	return all
}

func FuzzStrip(f *testing.F) {
	f.Add("a=1; auth0_session=x; b=2", "auth0_session.1=y")
	f.Add("; ;=", "")
	f.Add("auth0_session", "=auth0_session=x;\u2000auth0_txn_recent")
	f.Add(`x="foo; auth0_session=x; bar"`, " ;auth0_txn_"+testID+"=;; a")
	f.Fuzz(func(t *testing.T, first, second string) {
		lines := []string{first, second}
		got, changed := Strip(lines, testNames.Own)
		if !changed && !slices.Equal(got, []string{first, second}) {
			t.Fatalf("nothing was ours, yet %q became %q", lines, got)
		}
		want := slices.DeleteFunc(pieces(lines), func(piece string) bool { return testNames.Own(lenientName(piece)) })
		if left := pieces(got); !slices.Equal(left, want) {
			t.Fatalf("%q became %q, want the pieces %q", lines, got, want)
		}
		if again, changed := Strip(got, testNames.Own); changed || !slices.Equal(again, got) {
			t.Fatalf("stripping %q again gave %q", got, again)
		}
		if changed && len(got) == 0 && got != nil {
			t.Fatal("nothing is left, and it is not nil")
		}
	})
}

func BenchmarkStrip(b *testing.B) {
	session := "auth0_session=" + strings.Repeat("x", 900)
	for name, line := range map[string]string{
		"none":   "theme=dark; _ga=GA1.2.3; lang=de",
		"last":   "theme=dark; _ga=GA1.2.3; " + session,
		"middle": "theme=dark; " + session + "; _ga=GA1.2.3",
	} {
		lines := []string{line}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Strip(lines, testNames.Own)
			}
		})
	}
}
