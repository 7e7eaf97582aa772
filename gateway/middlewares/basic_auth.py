"""HTTP Basic authentication (RFC 7617) against Argon2id hashes."""

from __future__ import annotations

import asyncio
import re
from binascii import Error as BadBase64
from binascii import a2b_base64
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from hmac import compare_digest
from secrets import token_bytes
from time import monotonic
from typing import Annotated, NamedTuple

import msgspec

from gateway.config.model import Section
from gateway.errors import Problem, Response
from gateway.exchange import Exchange, Identity
from gateway.middleware import Middleware
from gateway.passwords import Busy, Comparisons, Crowding, cost_of
from gateway.plugin import Context

BELIEVED_FOR = 60.0
FIELD = b"authorization:"
FIELD_LENGTH = len(FIELD)
SCHEME = b"basic "
NOT_IN_A_NAME = re.compile(r"[:\x00-\x1f\x7f]")
REASONS = ("missing", "repeated", "malformed", "wrong", "crowding", "busy", "failed")
RETRY = [("Retry-After", "1")]


class BasicAuthOptions(Section, frozen=True):
    """users: name: Argon2id hash of the password (`$argon2id$v=19$m=65536,t=3,p=4$...`). A hash
    costs its memory and time at every verification, and one that costs the most is computed for
    names that nobody has: give all the same parameters, so that time tells nothing of who
    exists. Without any user, nobody is let in. realm: shown by browsers.
    """

    users: dict[str, str]
    realm: Annotated[str, msgspec.Meta(pattern=r"^[ !#-\[\]-~]+$")] = "gateway"

    def __post_init__(self) -> None:
        for name, encoded in self.users.items():
            if not name or NOT_IN_A_NAME.search(name):
                raise ValueError(f"users: {name!r} is no user name: a colon never belongs to one")
            try:
                cost_of(encoded)
            except ValueError as error:
                raise ValueError(f"users: {name!r}: {error}") from None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} realm={self.realm!r}>"


class Believed(NamedTuple):
    """Credentials that were right, as a keyed digest, until a time of the monotonic clock."""

    seal: bytes
    until: float


class BasicAuth(Middleware[BasicAuthOptions]):
    """Sets `exchange.identity`; 401 with WWW-Authenticate for everybody else.

    Hashes are computed by a few threads, off the event loop, and what was right is believed for
    a minute. So that nobody keeps others from being verified by guessing, an address (of IPv6, a
    /64) has only so many verifications under way, 429 beyond; 503 when all are taken.
    """

    Options = BasicAuthOptions

    def __init__(
        self,
        options: BasicAuthOptions,
        context: Context,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(options, context)
        self._clock = clock
        self._hashes = {name.encode(): text.encode() for name, text in options.users.items()}
        self._identities = {name.encode(): Identity(name, "basic") for name in options.users}
        self._nobodys = max(options.users.values(), key=cost_of, default="").encode()
        self._challenge = f'Basic realm="{options.realm}", charset="UTF-8"'
        self._seal_key = token_bytes(32)
        self._believed: dict[bytes, Believed] = {}
        self._comparisons = Comparisons()
        refused = context.metrics.counter(
            "gateway_basic_auth_refused_total",
            "Requests a basic_auth guard refused.",
            ("middleware", "reason"),
        )
        self._refused = {reason: refused.labels(context.name, reason) for reason in REASONS}

    async def stop(self) -> None:
        self._comparisons.stop()

    def request(self, exchange: Exchange) -> Response | Awaitable[Response | None] | None:
        lines = [line for line in exchange.lines if line[:FIELD_LENGTH].lower() == FIELD]
        if len(lines) != 1:
            return self._refuse("repeated" if lines else "missing")
        credentials = _credentials(lines[0])
        if credentials is None:
            return self._refuse("malformed")
        user, _, password = credentials.partition(b":")
        seal = blake2b(credentials, key=self._seal_key, digest_size=32).digest()
        believed = self._believed.get(user)
        if (
            believed is not None
            and believed.until > self._clock()
            and compare_digest(believed.seal, seal)
        ):
            exchange.identity = self._identities[user]
            return None
        if not self._hashes:
            return self._refuse("wrong")
        return self._verify(exchange, user, password, seal)

    def _verify(
        self, exchange: Exchange, user: bytes, password: bytes, seal: bytes
    ) -> Response | Awaitable[Response | None]:
        # For nobody a hash is computed too, so that time does not tell who exists.
        encoded = self._hashes.get(user, self._nobodys)
        try:
            comparison = self._comparisons.compare(seal, exchange.client_ip, encoded, password)
        except Crowding:
            self._refused["crowding"].inc()
            return Problem(429, "Too many of your passwords are being verified.", RETRY)
        except Busy:
            self._refused["busy"].inc()
            return Problem(503, "Too many passwords are being verified.", RETRY)
        return self._later(exchange, user, seal, comparison)

    async def _later(
        self, exchange: Exchange, user: bytes, seal: bytes, comparison: asyncio.Future[bool]
    ) -> Response | None:
        await asyncio.wait([comparison])
        error = "the guard has stopped" if comparison.cancelled() else comparison.exception()
        if error is not None:
            self._refused["failed"].inc()
            self.context.log.error("a password could not be verified: %s", error)
            return Problem(503, "Passwords cannot be verified right now.", RETRY)
        identity = self._identities.get(user)
        if identity is None or not comparison.result():
            return self._refuse("wrong")
        self._believed[user] = Believed(seal, self._clock() + BELIEVED_FOR)
        exchange.identity = identity
        return None

    def _refuse(self, reason: str) -> Problem:
        self._refused[reason].inc()
        detail = "A user name and a password are required."
        return Problem(401, detail, [("WWW-Authenticate", self._challenge)])


def _credentials(line: bytes) -> bytes | None:
    """`user:password` in UTF-8, or None for a field that is nothing of the kind."""
    value = line[FIELD_LENGTH:].strip(b" \t")
    if value[: len(SCHEME)].lower() != SCHEME:
        return None
    try:
        credentials = a2b_base64(value[len(SCHEME) :].lstrip(b" "), strict_mode=True)
        credentials.decode()
    except (BadBase64, UnicodeDecodeError):
        return None
    return credentials if b":" in credentials else None
