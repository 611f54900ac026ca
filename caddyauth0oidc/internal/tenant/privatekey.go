package tenant

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// A pemFile is one that a setting names with its path.
type pemFile struct {
	is      string // what the file holds
	example string
}

var (
	keyPEM         = pemFile{"key", "/etc/caddy/auth0-client-key.pem"}
	certificatePEM = pemFile{"certificate", "/etc/caddy/auth0-client.pem"}
)

// read shows nothing of the file in its errors. A path that is no path may be the content itself, and is not shown either.
func (f pemFile) read(path string) ([]byte, error) {
	if err := f.check(path); err != nil {
		return nil, err
	}
	reading := "reading the " + f.is
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", reading, err)
	}
	if !info.Mode().IsRegular() { // a pipe would be waited for
		return nil, &fs.PathError{Op: reading, Path: path, Err: errors.New("this is no file")}
	}
	file, err := os.Open(path) // #nosec G304 -- the operator names it
	if err != nil {
		return nil, fmt.Errorf("%s: %w", reading, err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err == nil && len(text) > maxKeyFile {
		err = &fs.PathError{Op: reading, Path: path, Err: errors.New("the file is too large for a " + f.is)}
	}
	return text, err
}

func (f pemFile) check(path string) error {
	switch {
	case strings.TrimSpace(path) == "":
		return fmt.Errorf("the path of the %s is empty; write one like %s", f.is, f.example)
	case len(path) > 1024, strings.ContainsAny(path, "\n\r\x00"), strings.Contains(path, "-----"):
		return fmt.Errorf("this is not the path of a file; write the path, not the %s itself", f.is)
	}
	return nil
}

// CheckKeyFile refuses what cannot be the path of a private key, such as the key itself.
func CheckKeyFile(path string) error { return keyPEM.check(path) }

// CheckCertificateFile refuses what cannot be the path of a certificate, such as the certificate itself.
func CheckCertificateFile(path string) error { return certificatePEM.check(path) }

// parsePrivateKey reads the one private key of a PEM file: PKCS #8, or what OpenSSL wrote before that.
func parsePrivateKey(text []byte) (crypto.Signer, error) {
	var found crypto.Signer
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		key, err := parseBlock(block)
		switch {
		case err != nil:
			return nil, err
		case found != nil:
			return nil, errors.New("the file has more than one private key; leave one in it")
		}
		found = key
	}
	if found == nil {
		return nil, errors.New("the file has no private key in PEM; make one with openssl genrsa -out <file> 2048")
	}
	return found, nil
}

func parseBlock(block *pem.Block) (crypto.Signer, error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
		return nil, errors.New("the private key is encrypted; write it without a passphrase, readable for the server alone")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("the private key is damaged or of an unknown kind; use RSA, P-256 or P-384")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the private key cannot sign; use RSA, P-256 or P-384")
	}
	return signer, nil
}

// algorithmFor judges a key, and the algorithm with it, unless that is empty and the usual one of the key is taken.
func algorithmFor(key crypto.Signer, chosen string) (jose.SignatureAlgorithm, error) {
	possible, err := algorithmsOf(key)
	if err != nil {
		return "", err
	}
	if chosen == "" {
		return possible[0], nil
	}
	for _, algorithm := range possible {
		if string(algorithm) == chosen {
			return algorithm, nil
		}
	}
	return "", fmt.Errorf("the key does not fit the algorithm %s; use %s, or another key", chosen, possible[0])
}

// algorithmsOf gives what a key can sign with, the usual one first.
func algorithmsOf(key crypto.Signer) ([]jose.SignatureAlgorithm, error) {
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < minRSABits {
			return nil, fmt.Errorf("the RSA key has %d bits; use one of at least %d", bits, minRSABits)
		}
		return []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.PS256}, nil
	case *ecdsa.PrivateKey:
		switch key.Curve {
		case elliptic.P256():
			return []jose.SignatureAlgorithm{jose.ES256}, nil
		case elliptic.P384():
			return []jose.SignatureAlgorithm{jose.ES384}, nil
		}
	}
	return nil, errors.New("the private key is of a kind that Auth0 does not take; use RSA, P-256 or P-384")
}
