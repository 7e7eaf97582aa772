"""`jwt`: only requests with a believed token pass (RFC 6750, RFC 7519, RFC 9068, RFC 9449)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import time
from typing import Final

from yarl import URL

from backends.errors import BackendError
from gateway.errors import LoadError, Problem, Response
from gateway.exchange import Exchange
from gateway.jose.believed import Believed
from gateway.jose.fetch import is_loopback
from gateway.jose.issuer import Claims, KeyIssuer, issuer_among, revocation
from gateway.jose.keys import KeyReader, KeySet, KeysUnavailable, shared_secret
from gateway.jose.options import JwtOptions
from gateway.jose.possession import Possession, ProvingIssuer, Unproved, thumbprint
from gateway.jose.ring import KeyRing
from gateway.jose.sources import (
    DiscoveredKeys,
    KeyAddress,
    KeyFile,
    KeySource,
    PluginKeys,
    SecretAlone,
    is_web_address,
)
from gateway.jose.verify import Refused, UnknownKey, Verified, Verifier
from gateway.middleware import Middleware
from gateway.plugin import Context

CHALLENGE = 'Bearer realm="gateway"'
FIELD: Final = b"authorization:"
FIELD_LENGTH: Final = len(FIELD)
BEARER, DPOP = "bearer", "dpop"
PATIENCE = 5.0
NOT_FOR_US = "The token is not meant for this service"
DETAILS = {
    "missing": "A bearer token is required",
    "repeated": "More than one Authorization field",
    "expired": "The token has expired",
    "immature": "The token is not valid yet",
    "signature": "The token's signature is not valid",
    "audience": NOT_FOR_US,
    "issuer": NOT_FOR_US,
    "malformed": "The token is not valid",
    "revoked": "The token is not valid",
    "bound": "The token is bound to a key, which is not proved here",
    "unbound": "The token is not bound to a key",
    "unproved": "The request does not prove to hold the token's key",
    "scope": "The token lacks a scope that is required here",
    "role": "The token's owner lacks a role that is required here",
    "strength": "The token's owner has to log in in a stronger way, or again",
    "no_keys": "Tokens cannot be verified right now",
    "no_proofs": "Proofs cannot be checked right now",
}
KINDS = {
    "repeated": (400, "invalid_request"),
    "scope": (403, "insufficient_scope"),
    "role": (403, "insufficient_scope"),
    "strength": (401, "insufficient_user_authentication"),
}


class Jwt(Middleware[JwtOptions]):
    """Sets `exchange.identity`. Waits for keys, at most once a request, and for proofs."""

    Options = JwtOptions

    def __init__(self, options: JwtOptions, context: Context) -> None:
        super().__init__(options, context)
        refused = context.metrics.counter(
            "gateway_jwt_refused_total", "Requests a jwt guard refused", ("middleware", "reason")
        )
        fetches = context.metrics.counter(
            "gateway_jwks_fetch_total", "Fetches of signing keys", ("middleware", "outcome")
        )
        self._refused = {reason: refused.labels(context.name, reason) for reason in DETAILS}
        self._answers = {reason: _answer(reason, options) for reason in DETAILS}
        self._scopes = frozenset(options.scopes)
        self._roles = frozenset(options.roles)
        self._acr = tuple(options.acr)
        self._verifier = Verifier(
            options.algorithms,
            issuer=options.issuer,
            audiences=options.audiences,
            leeway=options.leeway,
        )
        self._believed = Believed()
        self._recent = self._believed.recent.get
        self._revoked: Callable[[Claims], bool] | None = None
        self._possession: Possession | None = None
        self._ring = KeyRing(
            context.log,
            changed=lambda keys: self._believed.keep_only(keys.marks),
            counted=lambda outcome: fetches.labels(context.name, outcome).inc(),
        )

    async def start(self) -> None:
        """Raises LoadError for keys in a file that cannot be used; an issuer may be down."""
        issuer = issuer_among(self.context.plugins().values(), self.options.issuer)
        self._revoked = revocation(issuer)
        if self.options.dpop is not None:
            if not isinstance(issuer, ProvingIssuer):
                raise LoadError(f"middleware {self.context.name!r}: dpop: no plugin checks proofs")
            self._possession = Possession(issuer, self.options.dpop.rstrip("/"))
        try:
            await self._ring.start(self._source(issuer))
        except KeysUnavailable as error:
            raise LoadError(f"middleware {self.context.name!r}: {error}") from error

    async def stop(self) -> None:
        await self._ring.stop()

    def request(self, exchange: Exchange) -> Response | Awaitable[Response | None] | None:
        # Not by exchange.headers: its index of all fields costs more than the rest of this.
        lines = [line for line in exchange.lines if line[:FIELD_LENGTH].lower() == FIELD]
        if len(lines) != 1:
            return self._refuse("repeated" if lines else "missing")
        verified = self._recent(lines[0])
        if verified is None or verified.until <= time():
            return self._unseen(exchange, lines[0])
        revoked = self._revoked
        if revoked is not None and revoked(verified.identity.claims):
            return self._refuse("revoked")
        exchange.identity = verified.identity
        return None

    def _unseen(
        self, exchange: Exchange, line: bytes
    ) -> Response | Awaitable[Response | None] | None:
        verified = self._believed.recall(line)
        if verified is not None and verified.until > time():
            return self._admit(exchange, line, verified)
        scheme, token = _credentials(line)
        if not token or not (scheme == BEARER or (scheme == DPOP and self._possession is not None)):
            return self._refuse("missing")
        keys = self._ring.keys
        flight = self._ring.flight
        if keys is not None:
            try:
                return self._admit(exchange, line, self._verify(token, keys))
            except UnknownKey:
                flight = self._ring.refetch()
            except Refused as refused:
                return self._refuse(refused.reason)
        if flight is not None:
            return self._later(exchange, line, token, flight)
        return self._no_keys() if keys is None else self._refuse("signature")

    async def _later(
        self, exchange: Exchange, line: bytes, token: str, flight: asyncio.Task[None]
    ) -> Response | None:
        await asyncio.wait([flight], timeout=PATIENCE)
        keys = self._ring.keys
        if keys is None:
            return self._no_keys()
        try:
            answer = self._admit(exchange, line, self._verify(token, keys))
        except Refused as refused:
            return self._refuse(refused.reason)
        return await answer if isinstance(answer, Awaitable) else answer

    def _verify(self, token: str, keys: KeySet) -> Verified:
        """Raises Refused and UnknownKey. It is believed no longer than the log-in is fresh."""
        verified, longest = self._verifier.verify(token, keys), self.options.max_age
        if longest is None:
            return verified
        at = verified.identity.claims.get("auth_time")
        until = at + longest if isinstance(at, int | float) else 0.0
        return replace(verified, until=min(verified.until, until))

    def _admit(
        self, exchange: Exchange, line: bytes, verified: Verified
    ) -> Response | Awaitable[Response | None] | None:
        scheme, token = _credentials(line)
        reason = self._objection(scheme, verified)
        if reason is not None:
            return self._refuse(reason)
        if scheme == DPOP:
            return self._proved(exchange, token, verified)
        self._believed.add(line, verified)
        exchange.identity = verified.identity
        return None

    def _objection(self, scheme: str, verified: Verified) -> str | None:
        """Why a verified token is not let in, of which its scheme may be the reason."""
        identity = verified.identity
        if misfit := _misfit(scheme, identity.claims):
            return misfit
        if not self._scopes <= identity.scopes:
            return "scope"
        if not self._roles <= identity.roles:
            return "role"
        if not self._strong(verified):
            return "strength"
        if self._revoked is not None and self._revoked(identity.claims):
            return "revoked"
        return None

    def _strong(self, verified: Verified) -> bool:
        if self._acr and verified.identity.claims.get("acr") not in self._acr:
            return False
        return self.options.max_age is None or verified.until > time()

    async def _proved(self, exchange: Exchange, token: str, verified: Verified) -> Response | None:
        """Each request has a proof of its own, so nothing is remembered of it."""
        possession = self._possession
        assert possession is not None
        try:
            await possession.check(exchange, token, verified.identity.claims)
        except Unproved as unproved:
            self._refused["unproved"].inc()
            return Problem(401, DETAILS["unproved"], possession.fields(unproved))
        except BackendError:
            self._refused["no_proofs"].inc()
            return Problem(503, DETAILS["no_proofs"], [("Retry-After", "1")])
        exchange.identity = verified.identity
        return None

    def _refuse(self, reason: str) -> Problem:
        self._refused[reason].inc()
        status, challenge = self._answers[reason]
        challenges = [("WWW-Authenticate", challenge)]
        if self._possession is not None:
            challenges.append(("WWW-Authenticate", self._possession.challenge))
        return Problem(status, DETAILS[reason], challenges)

    def _no_keys(self) -> Problem:
        self._refused["no_keys"].inc()
        wait = str(self._ring.retry_after())
        return Problem(503, DETAILS["no_keys"], [("Retry-After", wait)])

    def _source(self, issuer: KeyIssuer | None) -> KeySource:
        options = self.options
        secret = None if options.secret is None else shared_secret(options.secret)
        reader = KeyReader(options.algorithms, secret)
        if not options.asymmetric and secret is not None:
            return SecretAlone(reader)
        if options.jwks is not None:
            if not is_web_address(options.jwks):
                return KeyFile(self.context.folder / options.jwks, reader)
            return KeyAddress(self._warned(options.jwks), reader)
        if issuer is not None:
            return PluginKeys(issuer, reader)
        assert options.issuer is not None
        return DiscoveredKeys(self._warned(options.issuer), reader)

    def _warned(self, address: str) -> str:
        url = URL(address)
        if url.scheme != "https" and not is_loopback(url):
            self.context.log.warning("signing keys come over plain http from %s", url.host)
        return address


def _credentials(line: bytes) -> tuple[str, str]:
    """The scheme in small letters, and the token."""
    scheme, _, token = line[FIELD_LENGTH:].decode("latin-1").strip(" \t").partition(" ")
    return scheme.lower(), token.lstrip(" ")


def _misfit(scheme: str, claims: Claims) -> str | None:
    """What is wrong with this token in this scheme; None for nothing."""
    if scheme == DPOP and not thumbprint(claims):
        return "unbound"
    if scheme == BEARER and "cnf" in claims:  # RFC 7800: not a bearer's
        return "bound"
    return None


def _answer(reason: str, options: JwtOptions) -> tuple[int, str]:
    """Status and challenge (RFC 6750 section 3, RFC 9470); without an error code when no token
    came."""
    if reason == "missing":
        return 401, CHALLENGE
    status, error = KINDS.get(reason, (401, "invalid_token"))
    challenge = f'{CHALLENGE}, error="{error}", error_description="{DETAILS[reason]}"'
    if status == 403 and options.scopes:
        challenge += f', scope="{" ".join(options.scopes)}"'
    if reason == "strength" and options.acr:
        challenge += f', acr_values="{" ".join(options.acr)}"'
    if reason == "strength" and options.max_age is not None:
        challenge += f', max_age="{options.max_age:.0f}"'
    return status, challenge
