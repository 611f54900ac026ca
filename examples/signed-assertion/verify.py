"""Verifies the assertion that Caddy adds to the requests of a signed-in user."""

import http.client
import json
import sys
import threading
import time
import urllib.request

import jwt

LEEWAY = 30  # seconds, for clocks that differ
FRESH = 300  # how long the keys are not fetched again
PAUSE = 10  # between two attempts to fetch them
EMERGENCY = 3600  # how long they are good while they cannot be fetched


# What comes of text that is no JSON, or JSON of another shape than it should be.
MALFORMED = (jwt.PyJWTError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)


class Refused(Exception):
    """Says why an assertion is not believed."""


class Verifier:
    """Keeps the keys, so make one for the whole process."""

    def __init__(self, keys_url, issuer, audience, now=time.time):
        self.keys_url, self.issuer, self.audience, self.now = keys_url, issuer, audience, now
        self._lock, self._keys = threading.Lock(), {}
        self._fetched = self._tried = 0

    def verify(self, assertion):
        """Gives the claims of an assertion that is good; the user is in "sub"."""
        try:
            key = self._key(jwt.get_unverified_header(assertion).get("kid"))
            claims = jwt.decode(
                assertion,
                key,
                algorithms=["ES256"],
                issuer=self.issuer,
                audience=self.audience,
                leeway=LEEWAY,
                options={"require": ["iss", "aud", "sub", "iat", "exp"]},
            )
        except MALFORMED as error:
            raise Refused(str(error)) from error
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise Refused("it has no sub")
        if any(type(claims.get(name, 0)) is not int for name in ("exp", "iat", "nbf")):
            raise Refused("it has a time that is no whole number")
        return claims

    def _key(self, kid):
        with self._lock:
            now = self.now()
            if (now - self._fetched > FRESH or kid not in self._keys) and now - self._tried >= PAUSE:
                self._tried = now
                try:
                    self._keys, self._fetched = self._fetch(), now
                except (OSError, http.client.HTTPException, *MALFORMED):
                    pass  # those that are known are good for a while
            if now - self._fetched > EMERGENCY:
                raise Refused("the keys cannot be fetched")
            if kid not in self._keys:
                raise Refused("it is signed with an unknown key")
            return self._keys[kid]

    def _fetch(self):
        with urllib.request.urlopen(self.keys_url, timeout=5) as response:
            keys = jwt.PyJWKSet.from_dict(json.loads(response.read(1 << 20))).keys
        known = {key.key_id: key.key for key in keys if key.key_id}
        if not known:
            raise ValueError("the set has no keys")
        return known


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: verify.py <address of the keys> <issuer> <audience> < assertion")
    try:
        print(json.dumps(Verifier(*sys.argv[1:4]).verify(sys.stdin.read().strip())))
    except Refused as refusal:
        sys.exit(f"refused: {refusal}")
