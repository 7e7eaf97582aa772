"""Lets in whoever shows a key that is known, of which only the digest is."""

from __future__ import annotations

import re
from hashlib import sha256

from gateway.attributes import TOKEN
from gateway.config.model import Section
from gateway.errors import Problem
from gateway.exchange import Exchange, Identity
from gateway.middleware import Middleware
from gateway.plugin import Context

LONGEST_KEY = 512
SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
OF_NOTHING = sha256().digest()
CHALLENGE = 'ApiKey realm="gateway"'
DETAILS = {
    "missing": "An API key is required.",
    "repeated": "More than one API key.",
    "unknown": "The API key is not valid.",
}


class ApiKeyOptions(Section, frozen=True):
    """keys: name of the owner: SHA-256 of the key, in hex. Keys are drawn at random (`openssl
    rand -hex 32`), not thought up: a digest this fast keeps no guessable word secret. Without
    any, nobody is let in. header: the field that carries the key.
    """

    keys: dict[str, str]
    header: str = "X-API-Key"

    def __post_init__(self) -> None:
        if TOKEN.fullmatch(self.header) is None:
            raise ValueError(f"header: {self.header!r} is not a header's name")
        by_digest(self.keys)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} header={self.header!r}>"


class ApiKey(Middleware[ApiKeyOptions]):
    """Sets `exchange.identity`; 401 with WWW-Authenticate for everybody else.

    The field travels on to the endpoint like any other.
    """

    Options = ApiKeyOptions

    def __init__(self, options: ApiKeyOptions, context: Context) -> None:
        super().__init__(options, context)
        self._field = f"{options.header.lower()}:".encode("ascii")
        self._field_length = len(self._field)
        self._identity = {
            digest: Identity(name, "api_key") for digest, name in by_digest(options.keys).items()
        }.get
        refused = context.metrics.counter(
            "gateway_api_key_refused_total",
            "Requests an api_key guard refused.",
            ("middleware", "reason"),
        )
        self._refused = {reason: refused.labels(context.name, reason) for reason in DETAILS}

    def request(self, exchange: Exchange) -> Problem | None:
        field, length = self._field, self._field_length
        lines = [line for line in exchange.lines if line[:length].lower() == field]
        if len(lines) != 1:
            return self._refuse("repeated" if lines else "missing")
        key = lines[0][length:].strip(b" \t")
        if len(key) > LONGEST_KEY:
            return self._refuse("unknown")
        # What is looked up is a digest that no client can choose, so the time that it takes
        # tells nothing about the digests that are known.
        identity = self._identity(sha256(key).digest())
        if identity is None:
            return self._refuse("unknown")
        exchange.identity = identity
        return None

    def _refuse(self, reason: str) -> Problem:
        self._refused[reason].inc()
        return Problem(401, DETAILS[reason], [("WWW-Authenticate", CHALLENGE)])


def by_digest(keys: dict[str, str]) -> dict[bytes, str]:
    """Digest -> name. Raises ValueError, which shows no digest: it may be a key by mistake."""
    names: dict[bytes, str] = {}
    for name, text in keys.items():
        if not name:
            raise ValueError("keys: a key has no name")
        if SHA256.fullmatch(text) is None:
            raise ValueError(f"keys: {name!r} is not a SHA-256 in hex: 64 digits")
        digest = bytes.fromhex(text)
        if digest == OF_NOTHING:
            raise ValueError(f"keys: {name!r} is the SHA-256 of an empty key")
        if digest in names:
            raise ValueError(f"keys: {names[digest]!r} and {name!r} have the same key")
        names[digest] = name
    return names
