package caddyauth0oidc

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyauth0/caddy-auth0-oidc/caddyauth0oidc/internal/session"
)

const day = 24 * time.Hour

var secretEpoch = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// testSecret is a well-formed secret of one repeated byte.
func testSecret(letter byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{letter}, secretSize))
}

func secretLetters(t testing.TB, secrets []string) string {
	t.Helper()
	var letters []byte
	for _, s := range secrets {
		decoded, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		letters = append(letters, decoded[0])
	}
	return string(letters)
}

// storedAt makes secrets a, b, c and so on, created so long after the epoch.
func storedAt(after ...time.Duration) []storedSecret {
	var all []storedSecret
	for i, d := range after {
		all = append(all, storedSecret{Created: secretEpoch.Add(d), Secret: testSecret('a' + byte(i))})
	}
	return all
}

// faultyStorage is a storage whose operations fail as set.
type faultyStorage struct {
	certmagic.Storage
	lock, store, load error
	loads             int // that still succeed before load fails
	before            func()
}

func (s *faultyStorage) Lock(ctx context.Context, name string) error {
	if s.lock != nil {
		return s.lock
	}
	return s.Storage.Lock(ctx, name)
}

func (s *faultyStorage) Store(ctx context.Context, name string, content []byte) error {
	if s.before != nil {
		s.before()
	}
	if s.store != nil {
		return s.store
	}
	return s.Storage.Store(ctx, name, content)
}

func (s *faultyStorage) Load(ctx context.Context, name string) ([]byte, error) {
	if s.loads--; s.load != nil && s.loads < 0 {
		return nil, s.load
	}
	return s.Storage.Load(ctx, name)
}

// unlocked is a storage whose locks hold nobody.
type unlocked struct{ *faultyStorage }

func (unlocked) Lock(context.Context, string) error   { return nil }
func (unlocked) Unlock(context.Context, string) error { return nil }

// current is what an instance has that was just started.
func (s secretStore) current(ctx context.Context, now time.Time) ([]storedSecret, error) {
	if known, err := s.load(ctx, now); err != nil {
		return known, err
	}
	return s.rotate(ctx, now)
}

func putSecrets(t testing.TB, storage certmagic.Storage, secrets ...storedSecret) {
	t.Helper()
	if err := (secretStore{secretKind: sealing, storage: storage}).write(t.Context(), secrets); err != nil {
		t.Fatal(err)
	}
}

func takeSecrets(t testing.TB, storage certmagic.Storage) []storedSecret {
	t.Helper()
	secrets, err := secretStore{secretKind: sealing, storage: storage}.read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return secrets
}

// CK-18: which secret seals, and which open, at each moment.
func TestCK_18_StoredSecretsOpenAsLongAsTheirSessionsLive(t *testing.T) {
	t.Parallel()
	const absolute = 72 * time.Hour
	takeover, end := 31*day, 31*day+absolute+rotationMargin
	for _, tc := range []struct {
		what     string
		created  []time.Duration
		at       time.Duration
		absolute time.Duration
		want     string
	}{
		{"the first seals at once", []time.Duration{0}, 0, absolute, "a"},
		{"a first one of the future", []time.Duration{0}, -5 * time.Hour, absolute, "a"},
		{"the first after years", []time.Duration{0}, 3000 * day, absolute, "a"},
		{"a new one is known", []time.Duration{0, 30 * day}, 30 * day, absolute, "ab"},
		{"before it seals", []time.Duration{0, 30 * day}, takeover - 1, absolute, "ab"},
		{"it seals", []time.Duration{0, 30 * day}, takeover, absolute, "ba"},
		{"before the old one goes", []time.Duration{0, 30 * day}, end - 1, absolute, "ba"},
		{"the old one goes", []time.Duration{0, 30 * day}, end, absolute, "b"},
		{"two rotations", []time.Duration{0, 30 * day, 60 * day}, 61 * day, absolute, "cb"},
		{"two rotations, long sessions", []time.Duration{0, 30 * day, 60 * day}, 61 * day, 40 * day, "cba"},
		{"a long time without a check", []time.Duration{0, 30 * day, 60 * day}, 90 * day, absolute, "c"},
		{"two of the same day", []time.Duration{0, time.Hour}, 2 * time.Hour, absolute, "ab"},
		{"two of the same day, settled", []time.Duration{0, time.Hour}, 25 * time.Hour, absolute, "ba"},
		{"one of a clock that is years ahead", []time.Duration{0, 9000 * day}, 40 * day, absolute, "ab"},
		{"all of a clock that is ahead", []time.Duration{50 * day, 80 * day}, 0, absolute, "ab"},
	} {
		got := secretLetters(t, openers(storedAt(tc.created...), secretEpoch.Add(tc.at), tc.absolute))
		if got != tc.want {
			t.Errorf("%s: %s and not %s", tc.what, got, tc.want)
		}
	}
}

func TestStoredSecretsFileIsReadStrictly(t *testing.T) {
	t.Parallel()
	good := func(created, secret string) string {
		return `{"secrets":[{"created":"` + created + `","secret":"` + secret + `"}]}`
	}
	const date = "2026-03-01T08:00:00Z"
	for what, content := range map[string]string{
		"nothing": "", "half": "{", "no list": "{}", "an empty list": `{"secrets":[]}`, "null": "null", "another type": `[1]`,
		"more behind it": good(date, testSecret('a')) + "}", "no date": `{"secrets":[{"secret":"` + testSecret('a') + `"}]}`,
		"a date that is none": good("yesterday", testSecret('a')), "the secret as date": good(testSecret('a'), testSecret('a')),
		"no secret": good(date, ""), "31 bytes": good(date, base64.StdEncoding.EncodeToString(make([]byte, 31))),
		"33 bytes":   good(date, base64.StdEncoding.EncodeToString(make([]byte, 33))),
		"not base64": good(date, strings.Repeat("~", 44)), "unpadded": good(date, strings.TrimRight(testSecret('a'), "=")),
		"line break": good(date, testSecret('a')[:40]+`\n`+testSecret('a')[40:]), "trailing bits": good(date, strings.Repeat("/", 43)+"="),
		"a good one before a bad one": `{"secrets":[{"created":"` + date + `","secret":"` + testSecret('a') + `"},{"created":"` + date + `","secret":"x"}]}`,
	} {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		if err := storage.Store(t.Context(), secretPath, []byte(content)); err != nil {
			t.Fatal(err)
		}
		secrets, err := secretStore{sealing, storage, rand.Reader}.current(t.Context(), secretEpoch.Add(100*day))
		if err == nil || len(secrets) != 0 {
			t.Errorf("%s was read as %d secrets", what, len(secrets))
			continue
		}
		if text := err.Error(); strings.Contains(text, testSecret('a')[:8]) || strings.Contains(text, "~~") || !strings.Contains(text, "is damaged") {
			t.Errorf("INV-04: %s: %v", what, err)
		}
		if kept, err := storage.Load(t.Context(), secretPath); err != nil || string(kept) != content {
			t.Errorf("%s was replaced", what)
		}
	}
}

// A file with one secret, as it was before there was a rotation, and one that
// somebody sorted otherwise and dated in local time.
func TestStoredSecretsFileOfOtherHands(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		`{"secrets":[{"created":"2026-03-01T08:00:00Z","secret":"` + testSecret('a') + `"}]}`: "a",
		`{"secrets":[{"created":"2026-03-31T01:00:00+02:00","secret":"` + testSecret('b') + `","by":"hand"},
			{"created":"2026-03-01T08:00:00Z","secret":"` + testSecret('a') + `"}]}`: "ab",
	} {
		secrets, err := decodeSecrets([]byte(content))
		if err != nil {
			t.Fatal(err)
		}
		if got := secretLetters(t, openers(secrets, secretEpoch.Add(30*day), 72*time.Hour)); got != want {
			t.Errorf("%s and not %s", got, want)
		}
	}
}

// The file keeps every secret that a cookie may have been sealed with, and not
// all of them for ever.
func TestStoredSecretsAreForgottenAfterYears(t *testing.T) {
	t.Parallel()
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	store, before := secretStore{sealing, storage, rand.Reader}, []storedSecret(nil)
	for d := range 900 {
		now := secretEpoch.Add(time.Duration(d) * day)
		secrets, err := store.current(t.Context(), now)
		if err != nil || len(secrets) != min(1+d/30, 15) {
			t.Fatalf("day %d: %d secrets, %v", d, len(secrets), err)
		}
		for _, s := range before {
			if now.Sub(s.Created) < sealing.kept && !strings.Contains(fmt.Sprint(secrets), s.Secret) {
				t.Fatalf("day %d: a secret of %s is lost", d, s.Created)
			}
		}
		before = secrets
	}
	if _, err := store.current(t.Context(), secretEpoch.Add(9000*day)); err != nil || len(takeSecrets(t, storage)) != 3 {
		t.Errorf("a clock that is years ahead leaves %d secrets, %v", len(takeSecrets(t, storage)), err)
	}
}

// Instances that need a secret at the same time agree on one: the first one, and
// a newer one.
func TestCONC_26_InstancesAgreeOnOneSecret(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for round, now := range []time.Time{secretEpoch, secretEpoch.Add(30 * day)} {
		var wait sync.WaitGroup
		found := make([]string, 20)
		for i := range found {
			wait.Go(func() {
				store := secretStore{sealing, &certmagic.FileStorage{Path: folder}, rand.Reader}
				secrets, err := store.current(t.Context(), now)
				if err != nil || len(secrets) != round+1 {
					t.Errorf("round %d: %d secrets, %v", round, len(secrets), err)
					return
				}
				found[i] = secrets[round].Secret
			})
		}
		wait.Wait()
		for _, secret := range found {
			if secret != found[0] {
				t.Errorf("round %d: two secrets were made", round)
			}
		}
	}
}

// Two instances write although there is a lock: what the storage says at the end
// is what both use from their next check on, and nothing was sealed with the other.
func TestCONC_26_LostLockEndsInOneSecret(t *testing.T) {
	t.Parallel()
	now, files := secretEpoch.Add(30*day), &certmagic.FileStorage{Path: t.TempDir()}
	putSecrets(t, files, storedAt(0)...)
	second := secretStore{sealing, unlocked{&faultyStorage{Storage: files}}, rand.Reader}
	var lost []storedSecret
	first := secretStore{sealing, unlocked{&faultyStorage{Storage: files, before: func() {
		var err error
		if lost, err = second.current(t.Context(), now); err != nil {
			t.Error(err)
		}
	}}}, rand.Reader}
	won, err := first.current(t.Context(), now)
	again, errAgain := second.current(t.Context(), now.Add(time.Hour))
	if err != nil || errAgain != nil || len(won) != 2 || len(again) != 2 || again[1] != won[1] || again[0] != lost[0] {
		t.Fatalf("%d and %d secrets, %v, %v", len(won), len(again), err, errAgain)
	}
	if sealing := openers(lost, now.Add(checkSeldom.least+checkSeldom.jitter), time.Hour)[0]; sealing != won[0].Secret {
		t.Error("the lost secret has sealed")
	}
}

const secretProcessFolder = "TEST_SECRET_PROCESS_FOLDER"

// Processes with nothing but the folder in common make one secret. Each is this
// test itself, which waits for the end of its input to begin.
func TestCONC_26_ProcessesAgreeOnOneSecret(t *testing.T) {
	t.Parallel()
	if folder := os.Getenv(secretProcessFolder); folder != "" {
		_, _ = io.Copy(io.Discard, os.Stdin)
		secrets, err := secretStore{sealing, &certmagic.FileStorage{Path: folder}, rand.Reader}.current(t.Context(), secretEpoch)
		fmt.Printf("\nfound %d %v %q\n", len(secrets), err, secrets)
		return
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	outputs := make([]bytes.Buffer, 4)
	var started []*exec.Cmd
	var begin []io.Closer
	for i := range outputs {
		child := exec.CommandContext(t.Context(), executable, "-test.run=^TestCONC_26_ProcessesAgreeOnOneSecret$")
		child.Env, child.Stdout = append(os.Environ(), secretProcessFolder+"="+storage.Path), &outputs[i]
		in, err := child.StdinPipe()
		if err == nil {
			err = child.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		started, begin = append(started, child), append(begin, in)
	}
	for _, in := range begin {
		_ = in.Close()
	}
	for i, child := range started {
		if err := child.Wait(); err != nil {
			t.Errorf("process %d: %v\n%s", i, err, outputs[i].String())
		}
	}
	secrets := takeSecrets(t, storage)
	want := fmt.Sprintf("\nfound 1 <nil> %q\n", secrets)
	for i := range outputs {
		if !strings.Contains(outputs[i].String(), want) {
			t.Errorf("process %d found another secret", i)
		}
	}
}

// Nothing starts on a storage that cannot say what the secret is.
func TestStoredSecretsFailAtTheStart(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is broken")
	for what, tc := range map[string]struct {
		storage faultyStorage
		random  io.Reader
	}{
		"load":      {faultyStorage{load: broken}, rand.Reader},
		"lock":      {faultyStorage{lock: broken}, rand.Reader},
		"store":     {faultyStorage{store: broken}, rand.Reader},
		"read back": {faultyStorage{load: broken, loads: 2}, rand.Reader},
		"random":    {faultyStorage{}, faultyReader{broken}},
	} {
		tc.storage.Storage = &certmagic.FileStorage{Path: t.TempDir()}
		secrets, err := secretStore{sealing, &tc.storage, tc.random}.load(t.Context(), secretEpoch)
		if !errors.Is(err, broken) || secrets != nil {
			t.Errorf("%s: %d secrets, %v", what, len(secrets), err)
		}
		if _, err := tc.storage.Storage.Load(t.Context(), secretPath); what != "read back" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a file was written: %v", what, err)
		}
	}
}

type faultyReader struct{ err error }

func (r faultyReader) Read([]byte) (int, error) { return 0, r.err }

// Whatever is read as secrets makes a keyring, is sorted, and is read as the
// same when it is written again.
func FuzzStoredSecretsFile(f *testing.F) {
	for _, after := range [][]time.Duration{{0}, {0, 30 * day}, {60 * day, 0, 0}, {-800_000 * time.Hour, 90 * day}} {
		content, err := json.Marshal(secretFile{Secrets: storedAt(after...)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	for _, date := range []string{"0000-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00"} {
		f.Add([]byte(`{"secrets":[{"created":"` + date + `","secret":"` + testSecret('a') + `"}]}`))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		secrets, err := decodeSecrets(content)
		if err != nil {
			if secrets != nil || len(err.Error()) > 80 {
				t.Errorf("%d secrets beside %v", len(secrets), err)
			}
			return
		}
		for i := 1; i < len(secrets); i++ {
			if secrets[i].Created.Before(secrets[i-1].Created) {
				t.Error("not sorted")
			}
		}
		derive := func(list []string) (*session.Keyring, error) {
			return session.NewKeyring(list, "https://acme.eu.auth0.test/", "client")
		}
		if _, err := keyringOf(openers(secrets, secretEpoch, day), derive); err != nil {
			t.Error(err)
		}
		written, err := json.Marshal(secretFile{Secrets: secrets})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decodeSecrets(written); err != nil || fmt.Sprint(again) != fmt.Sprint(secrets) {
			t.Errorf("read again as something else: %v", err)
		}
	})
}
