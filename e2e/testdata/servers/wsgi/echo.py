"""What WSGI was told of the request.

PEP 3333 has the bytes of headers as Latin-1, so applications encode them again to
read UTF-8.
"""

import base64
import json
import platform
import re
import urllib.parse
from email.header import decode_header, make_header


def from_base64url(text):
    if not re.fullmatch(r"[A-Za-z0-9_-]*={0,2}", text):
        raise ValueError("not base64url")
    text = text.rstrip("=")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8")


DECODERS = {
    "raw": lambda text: text.encode("latin-1").decode("utf-8"),
    "percent": lambda text: urllib.parse.unquote(text, errors="strict"),
    "rfc2047": lambda text: str(make_header(decode_header(text))),
    "base64url": from_base64url,
}


def decoded(text, how):
    try:
        return DECODERS[how](text)
    except (ValueError, LookupError):
        return None


def application(environ, start_response):
    query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""))
    how = query.get("decode", ["raw"])[0]
    variables = [
        {
            "of": "environ",
            "name": name,
            "text": value,
            "hex": value.encode("latin-1").hex(),
            "decoded": decoded(value, how),
        }
        for name, value in environ.items()
        if isinstance(value, str)
    ]
    body = {"server": f"Python {platform.python_version()} {environ['SERVER_SOFTWARE']}", "variables": variables}
    start_response("200 OK", [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
    return [json.dumps(body).encode()]
