"""Lets in whoever shows a key that is known, of which only the digest is."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from hashlib import sha256

import msgspec

from backends.errors import BackendError
from gateway.api_keys import ApiKeySource
from gateway.attributes import TOKEN
from gateway.config.model import Section
from gateway.errors import LoadError, Problem
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
    "scope": "The API key lacks a scope that is required here.",
    "unavailable": "API keys cannot be looked up right now.",
}
OWN = ("missing", "repeated", "unknown")
STATUS = {"scope": 403, "unavailable": 503}


class ApiKeyOptions(Section, frozen=True):
    """keys: name of the owner: SHA-256 of the key, in hex. Keys are drawn at random (`openssl
    rand -hex 32`), not thought up: a digest this fast keeps no guessable word secret. Without
    any, nobody is let in. header: the field that carries the key. plugin: the name of a plugin
    whose keys are taken too, such as `auth`; scopes: what those keys must have.
    """

    keys: dict[str, str] | None = None
    header: str = "X-API-Key"
    plugin: str | None = None
    scopes: list[str] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        if TOKEN.fullmatch(self.header) is None:
            raise ValueError(f"header: {self.header!r} is not a header's name")
        if self.keys is None and self.plugin is None:
            raise ValueError("keys: name them here, or the plugin that has them")
        if self.scopes and (self.keys or self.plugin is None):
            raise ValueError("scopes are of a plugin's keys; those of this file have none")
        by_digest(self.keys or {})

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
            digest: Identity(name, "api_key")
            for digest, name in by_digest(options.keys or {}).items()
        }.get
        self._source: ApiKeySource | None = None
        self._scopes = frozenset(options.scopes)
        refused = context.metrics.counter(
            "gateway_api_key_refused_total",
            "Requests an api_key guard refused.",
            ("middleware", "reason"),
        )
        reasons = OWN if options.plugin is None else tuple(DETAILS)
        self._refused = {reason: refused.labels(context.name, reason) for reason in reasons}

    async def start(self) -> None:
        """Raises LoadError when the plugin has no keys."""
        if self.options.plugin is None:
            return
        offered = self.context.plugin(self.options.plugin)
        if not isinstance(offered, ApiKeySource):
            raise LoadError(
                f"middleware {self.context.name!r}: plugin {self.options.plugin!r} has no API keys"
            )
        self._source = offered

    def request(self, exchange: Exchange) -> Problem | Awaitable[Problem | None] | None:
        field, length = self._field, self._field_length
        lines = [line for line in exchange.lines if line[:length].lower() == field]
        if len(lines) != 1:
            return self._refuse("repeated" if lines else "missing")
        key = lines[0][length:].strip(b" \t")
        if len(key) > LONGEST_KEY:
            return self._refuse("unknown")
        # What is looked up is a digest that no client can choose, so the time that it takes
        # tells nothing about the digests that are known.
        digest = sha256(key).digest()
        identity = self._identity(digest)
        if identity is None:
            source = self._source
            if source is None:
                return self._refuse("unknown")
            found = source.known_key(key, digest)
            if found is True:
                return self._later(exchange, source, digest)
            return self._admit(exchange, found or None)
        exchange.identity = identity
        return None

    async def _later(
        self, exchange: Exchange, source: ApiKeySource, digest: bytes
    ) -> Problem | None:
        try:
            return self._admit(exchange, await source.find_key(digest))
        except BackendError:
            return self._refuse("unavailable")

    def _admit(self, exchange: Exchange, identity: Identity | None) -> Problem | None:
        if identity is None:
            return self._refuse("unknown")
        if not self._scopes <= identity.scopes:
            return self._refuse("scope")
        exchange.identity = identity
        return None

    def _refuse(self, reason: str) -> Problem:
        self._refused[reason].inc()
        status = STATUS.get(reason, 401)
        more = {401: ("WWW-Authenticate", CHALLENGE), 503: ("Retry-After", "1")}.get(status)
        return Problem(status, DETAILS[reason], [more] if more else [])


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
