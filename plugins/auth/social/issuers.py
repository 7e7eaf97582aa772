"""Which `iss` is believed of whom. Microsoft's is a template for all of its tenants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

TENANT = "{tenantid}"
TENANT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHARED_TENANTS = frozenset({"common", "organizations", "consumers"})
CONSUMERS = "9188040d-6c67-4c5b-b112-36a304b66dad"
GOOGLE, GOOGLE_OF_OLD = "https://accounts.google.com", "accounts.google.com"


class IssuerRule(Protocol):
    """**Protocol:** `published_at`: below it is the discovery document. `publishes`: whether its
    `issuer` may be that. `believes`: the issuer of an id_token with these claims, signed by a key
    that was published for `key_issuer`; None if it is not to be believed."""

    @property
    def published_at(self) -> str: ...

    def publishes(self, issuer: object) -> bool: ...

    def believes(
        self, published: str, claims: Mapping[str, Any], key_issuer: str | None
    ) -> str | None: ...

    def vouches(self, claims: Mapping[str, Any]) -> bool:
        """Whether it says that the `email` among the claims is the person's mailbox."""
        ...


@dataclass(frozen=True, slots=True)
class OneIssuer:
    """Exactly as configured (OpenID Connect Discovery section 4.3). Google may leave out the
    scheme in its tokens, and is the same issuer."""

    published_at: str

    def publishes(self, issuer: object) -> bool:
        return issuer == self.published_at

    def believes(
        self, published: str, claims: Mapping[str, Any], key_issuer: str | None
    ) -> str | None:
        said = claims.get("iss")
        if said == GOOGLE_OF_OLD and published == GOOGLE:
            return published
        return published if said == published and key_issuer in {None, published} else None

    def vouches(self, claims: Mapping[str, Any]) -> bool:
        return claims.get("email_verified") is True


@dataclass(frozen=True, slots=True)
class MicrosoftIssuer:
    """A tenant of Microsoft's, or all: then the document's issuer is a template, which the `tid` of
    a token fills in. A key that is published for one tenant signs for no other.

    `email` may be what any tenant's administrator has typed there: only `xms_edov` vouches for it.
    """

    base: str
    tenant: str

    @property
    def published_at(self) -> str:
        return f"{self.base.rstrip('/')}/{self.tenant}/v2.0"

    def publishes(self, issuer: object) -> bool:
        if not isinstance(issuer, str):
            return False
        if TENANT_ID.fullmatch(self.tenant):
            return issuer == self._of(self.tenant)
        if self.tenant in SHARED_TENANTS and issuer == self._of(TENANT):
            return True
        found = re.fullmatch(re.escape(self._of(TENANT)).replace(r"\{tenantid\}", "(.+)"), issuer)
        return found is not None and TENANT_ID.fullmatch(found[1]) is not None

    def believes(
        self, published: str, claims: Mapping[str, Any], key_issuer: str | None
    ) -> str | None:
        tenant = claims.get("tid")
        if not isinstance(tenant, str) or not TENANT_ID.fullmatch(tenant):
            return None
        if self.tenant == "organizations" and tenant == CONSUMERS:
            return None
        wanted = published.replace(TENANT, tenant)
        keys = wanted if key_issuer is None else key_issuer.replace(TENANT, tenant)
        return wanted if claims.get("iss") == wanted == keys else None

    def vouches(self, claims: Mapping[str, Any]) -> bool:
        return claims.get("xms_edov") in {True, "1", "true"}

    def _of(self, tenant: str) -> str:
        return f"{self.base.rstrip('/')}/{tenant}/v2.0"
