package tenant

// ReadMetadata reads a discovery document that the caller has fetched, by the same rules as a login: every error that it gives
// keeps users from signing in. The errors carry nothing of the document.
func ReadMetadata(document []byte, issuer string) (*Metadata, error) {
	return parseMetadata(document, issuer)
}

// CountKeys tells how many of the keys in a JWK set that the caller has fetched can verify tokens. An error says that there is
// none, or no set.
func CountKeys(set []byte) (int, error) {
	keys, err := parseKeys(set)
	return len(keys), err
}

// AcceptedAlgorithms are the signature algorithms of tokens that are believed.
func AcceptedAlgorithms() []string { return append([]string(nil), acceptedAlgs...) }
