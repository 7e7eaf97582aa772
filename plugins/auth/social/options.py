"""Settings of one provider."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from yarl import URL

from gateway.jose.fetch import is_loopback
from gateway.jose.sources import is_web_address

Kind = Literal["google", "github", "microsoft", "oidc"]
Scope = Annotated[str, msgspec.Meta(pattern=r"^[\x21\x23-\x5B\x5D-\x7E]+$")]  # RFC 6749 3.3
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
ISSUERS = {
    "google": "https://accounts.google.com",
    "github": "https://github.com",
    "microsoft": "https://login.microsoftonline.com",
}
LABELS = {"google": "Google", "github": "GitHub", "microsoft": "Microsoft"}
SCOPES = ("openid", "email", "profile")
SCOPES_OF_GITHUB = ("read:user", "user:email")


class ProviderOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """issuer: of `oidc` exactly as its discovery document has it; of `github` and `microsoft` where
    a server of one's own, or of a national cloud, is. client_secret: empty for a public client.
    auth_method: how the client authenticates; else basic if the provider has that. scopes: instead
    of the usual ones. label: what buttons say. tenant: of `microsoft`: an id, a
    domain, `common`, `organizations` or `consumers`.
    """

    kind: Kind
    client_id: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    client_secret: str = ""
    issuer: str = ""
    scopes: list[Scope] = msgspec.field(default_factory=list)
    label: Annotated[str, msgspec.Meta(max_length=60)] = ""
    auth_method: Literal["", "client_secret_basic", "client_secret_post"] = ""
    tenant: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.-]{1,100}$")] = "common"

    def __post_init__(self) -> None:
        if self.kind == "oidc" and not self.issuer:
            raise ValueError("a provider of kind oidc needs its issuer")
        if self.kind == "google" and self.issuer:
            raise ValueError("google has one issuer: leave it out, or take kind oidc")
        if self.kind != "microsoft" and self.tenant != "common":
            raise ValueError("only a provider of kind microsoft has a tenant")
        if self.issuer and not _is_issuer(self.issuer):
            raise ValueError("a provider's issuer is an https URL, or http on this machine")
        if self.kind != "github" and self.scopes and "openid" not in self.scopes:
            raise ValueError("the scopes of a provider have openid among them")

    def __repr__(self) -> str:
        return f"ProviderOptions(kind={self.kind!r}, issuer={self.base!r})"

    @property
    def base(self) -> str:
        return self.issuer or ISSUERS[self.kind]

    @property
    def scope(self) -> str:
        usual = SCOPES_OF_GITHUB if self.kind == "github" else SCOPES
        return " ".join(self.scopes or usual)

    def label_of(self, name: str) -> str:
        return self.label or LABELS.get(self.kind, name)


def check_names(providers: dict[str, ProviderOptions]) -> None:
    """They are part of paths. Raises ValueError."""
    for name in providers:
        if not NAME.fullmatch(name):
            raise ValueError("a provider's name is of a-z, 0-9, _ and -: 32 characters at most")


def _is_issuer(text: str) -> bool:
    if not is_web_address(text):
        return False
    url = URL(text)
    return not url.query_string and (url.scheme == "https" or is_loopback(url))
