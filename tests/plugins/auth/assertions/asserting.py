"""A client that holds a key and says who it is (RFC 7523)."""

from __future__ import annotations

import secrets
import time
from typing import Any

from plugins.auth.oauth.authentication import ASSERTION, PRIVATE_KEY_JWT
from plugins.auth.oauth.clients import Client
from tests.plugins.auth.dpop.holder import Holder
from tests.plugins.auth.oauth.relying import ISSUER


class Asserting(Holder):
    """kid: of its key, in what it publishes and what it signs."""

    def __init__(self, algorithm: str = "ES256", kid: str = "one") -> None:
        super().__init__(algorithm)
        self.kid = kid
        self.published = {**self.jwk, "kid": kid}

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.published]}

    def registered(self, **metadata: Any) -> dict[str, Any]:
        """For Clients.create."""
        return {"method": PRIVATE_KEY_JWT, "metadata": {"jwks": self.jwks, **metadata}}

    def assertion(self, client_id: str, header: Any = None, **claims: Any) -> str:
        """A claim or a member of the header that is None is left out."""
        now = int(time.time())
        held = {
            "iss": client_id,
            "sub": client_id,
            "aud": ISSUER,
            "jti": secrets.token_urlsafe(),
            "iat": now,
            "exp": now + 60,
            **claims,
        }
        headers = {"kid": self.kid, **(header or {})}
        return self.signed(headers, held)

    def proving(self, client_id: str, **more: Any) -> dict[str, str]:
        """Parameters of a request."""
        text = self.assertion(client_id, **more)
        return {"client_assertion_type": ASSERTION, "client_assertion": text}


def client_of(holder: Asserting, client_id: str = "c" * 32, **metadata: Any) -> Client:
    """With the holder's keys, unless it has an address of some."""
    known = {} if "jwks_uri" in metadata else {"jwks": holder.jwks}
    return Client(
        client_id, "app", PRIVATE_KEY_JWT, frozenset(), (), metadata={**known, **metadata}
    )
