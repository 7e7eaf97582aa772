"""What an issuer publishes of itself: its metadata and its keys, kept fresh together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yarl import URL

from gateway.jose.fetch import fetch_json, is_loopback
from gateway.jose.keys import FITS, SYMMETRIC, KeyReader, KeysUnavailable
from gateway.jose.sources import DISCOVERY, LONGEST, SHORTEST, USUAL, Fetched, is_web_address
from plugins.auth.social.issuers import IssuerRule

PUBLIC = frozenset(FITS) - {SYMMETRIC}
USUAL_ALGORITHM = "RS256"  # which every issuer has (OpenID Connect Discovery section 3)


@dataclass(frozen=True, slots=True)
class Metadata:
    """algorithms: public ones alone, whatever the issuer says. key_issuers: the `issuer` of
    single keys by their mark, as Microsoft publishes it."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    algorithms: frozenset[str]
    basic: bool
    says_iss: bool
    key_issuers: Mapping[str, str]


class Published:
    """A KeySource of gateway/jose. `metadata` is None until it was fetched once."""

    local = False

    def __init__(self, rule: IssuerRule) -> None:
        self._rule = rule
        self.metadata: Metadata | None = None

    async def fetch(self) -> Fetched:
        where = self._rule.published_at.rstrip("/") + DISCOVERY
        document = (await fetch_json(where)).content
        if not isinstance(document, dict) or not self._rule.publishes(document.get("issuer")):
            raise KeysUnavailable(f"{where}: the document is another issuer's")
        algorithms = _algorithms(document)
        if not algorithms:
            raise KeysUnavailable(f"{where}: no public algorithm signs its id_tokens")
        found = await fetch_json(self._endpoint(document, "jwks_uri"))
        reader = KeyReader(sorted(algorithms))
        keys = reader.read(found.content)
        self.metadata = Metadata(
            document["issuer"],
            self._endpoint(document, "authorization_endpoint"),
            self._endpoint(document, "token_endpoint"),
            self._endpoint(document, "userinfo_endpoint", needed=False),
            algorithms,
            _authenticates_by_basic(document),
            document.get("authorization_response_iss_parameter_supported") is True,
            _key_issuers(found.content, reader),
        )
        lasts = USUAL if found.max_age is None else float(found.max_age)
        return Fetched(keys, min(max(lasts, SHORTEST), LONGEST))

    def _endpoint(self, document: Mapping[str, Any], name: str, *, needed: bool = True) -> str:
        address = document.get(name)
        secure = not is_loopback(URL(self._rule.published_at))
        if isinstance(address, str) and is_web_address(address, secure=secure):
            return address
        if address is None and not needed:
            return ""
        raise KeysUnavailable(f"{self._rule.published_at}: its metadata has no fit {name}")


def _algorithms(document: Mapping[str, Any]) -> frozenset[str]:
    said = document.get("id_token_signing_alg_values_supported", [USUAL_ALGORITHM])
    if not isinstance(said, list):
        return PUBLIC
    return frozenset(each for each in said if isinstance(each, str) and each in PUBLIC)


def _authenticates_by_basic(document: Mapping[str, Any]) -> bool:
    """What is usual when it is not said (OpenID Connect Discovery section 3)."""
    methods = document.get("token_endpoint_auth_methods_supported")
    return not isinstance(methods, list) or "client_secret_basic" in methods


def _key_issuers(document: Mapping[str, Any], reader: KeyReader) -> dict[str, str]:
    return {
        mark: entry["issuer"]
        for entry in document["keys"]
        if isinstance(entry, dict) and isinstance(entry.get("issuer"), str)
        for mark in reader.read({"keys": [entry]}).marks
    }
