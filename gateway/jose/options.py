"""What can be said about whose tokens are believed, checked when the file is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from yarl import URL

from gateway.config.model import Section
from gateway.config.units import Duration
from gateway.jose.keys import SYMMETRIC, Algorithm, shared_secret
from gateway.jose.sources import is_web_address

Text = Annotated[str, msgspec.Meta(min_length=1)]
Scope = Annotated[str, msgspec.Meta(pattern=r"^[\x21\x23-\x5B\x5D-\x7E]+$")]  # RFC 6749 3.3
LONGEST_LEEWAY = 300.0


class JwtOptions(Section, frozen=True):
    """issuer: the exact `iss` of tokens. audience: one of them must be in `aud`; without it `aud`
    is not looked at. jwks: a URL, or a file beside the configuration; without it keys come from
    the plugin that offers this issuer, else from the issuer's discovery document. leeway: for
    exp, nbf and iat. scopes, roles: all are required. acr: one of them is. max_age: since
    `auth_time` (RFC 9470). secret: for HS256, 32 bytes or more. dpop: the origin clients know, such
    as `https://api.example.com`; tokens that the plugin of this issuer has bound to a key are taken
    with a proof for a URL that begins so (RFC 9449).
    """

    issuer: str | None = None
    audience: Text | Annotated[list[Text], msgspec.Meta(min_length=1)] | None = None
    jwks: Text | None = None
    algorithms: Annotated[list[Algorithm], msgspec.Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["ES256", "RS256", "EdDSA", "PS256"]
    )
    leeway: Duration = 0.0
    scopes: list[Scope] = msgspec.field(default_factory=list)
    roles: list[Text] = msgspec.field(default_factory=list)
    acr: list[Scope] = msgspec.field(default_factory=list)
    max_age: Duration | None = None
    secret: str | None = None
    dpop: str | None = None

    def __post_init__(self) -> None:
        if self.issuer is None and self.jwks is None and self.secret is None:
            raise ValueError("one of issuer, jwks and secret says whose tokens are believed")
        if self.issuer is not None and not _is_issuer(self.issuer):
            raise ValueError("issuer is an http(s) URL without user, query and fragment")
        if self.jwks is not None and "://" in self.jwks and not is_web_address(self.jwks):
            raise ValueError("jwks is an http(s) URL without user and fragment, or a file")
        if not 0 <= self.leeway <= LONGEST_LEEWAY:
            raise ValueError("leeway is at most 5m")
        if self.dpop is not None and not _is_origin(self.dpop):
            raise ValueError("dpop is an http(s) origin, such as https://api.example.com")
        if self.dpop is not None and (self.issuer is None or self.jwks is not None):
            raise ValueError("dpop needs an issuer that is a plugin here, and no jwks")
        self._check_algorithms()

    def _check_algorithms(self) -> None:
        shared = SYMMETRIC in self.algorithms
        if self.secret is not None:
            if not shared:
                raise ValueError("a secret is of use only with HS256 among the algorithms")
            shared_secret(self.secret)
        elif shared and (self.jwks is None or is_web_address(self.jwks)):
            raise ValueError("HS256 needs a secret, or a jwks file with an oct key")
        if self.secret is not None and self.jwks is not None and not self.asymmetric:
            raise ValueError("jwks is never read beside a secret and HS256 alone")
        if self.asymmetric and self.issuer is None and self.jwks is None:
            raise ValueError("only HS256 can do without issuer and jwks")

    @property
    def files(self) -> Sequence[str]:
        """The options that name a file which has to be there."""
        return [] if self.jwks is None or is_web_address(self.jwks) else ["jwks"]

    @property
    def asymmetric(self) -> bool:
        return any(algorithm != SYMMETRIC for algorithm in self.algorithms)

    @property
    def audiences(self) -> Sequence[str]:
        return [self.audience] if isinstance(self.audience, str) else self.audience or ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} issuer={self.issuer!r}>"


def _is_origin(text: str) -> bool:
    return is_web_address(text) and URL(text) == URL(text).origin()


def _is_issuer(text: str) -> bool:
    return is_web_address(text) and not URL(text).query_string
