"""What a client asks for when it sends a person to /logout (RP-Initiated Logout 1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import jwt

from plugins.auth.keys.keyring import Keyring
from plugins.auth.oauth.clients import Clients

LONGEST = 8192
NAMES = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint")


class Wish(NamedTuple):
    """onward: where to go afterwards, or empty. sid: session of the hint, sub: its account; empty
    without a hint that is ours. good: whether what was asked for is in order."""

    good: bool
    onward: str = ""
    sid: str = ""
    sub: str = ""


class Wishes:
    def __init__(self, issuer: str, clients: Clients, keyring: Keyring) -> None:
        self._issuer = issuer
        self._clients = clients
        self._keyring = keyring

    async def read(self, sent: Mapping[str, str]) -> Wish:
        """Raises BackendError."""
        hint = sent.get("id_token_hint", "")
        claims = await self._claims(hint) if hint else {}
        named = sent.get("client_id", "") or claims.get("aud", "")
        if claims and claims["aud"] != named:
            return Wish(False)
        sid, sub = str(claims.get("sid", "")), str(claims.get("sub", ""))
        uri = sent.get("post_logout_redirect_uri", "")
        if not uri:
            return Wish(True, "", sid, sub)
        client = await self._clients.get(named) if named else None
        known = client.metadata.get("post_logout_redirect_uris") if client is not None else None
        if not isinstance(known, list) or uri not in known:
            return Wish(False)
        state = sent.get("state", "")
        joined = ("&" if "?" in uri else "?") + urlencode({"state": state}) if state else ""
        return Wish(True, uri + joined, sid, sub)

    async def _claims(self, hint: str) -> Mapping[str, Any]:
        """Of an id_token of ours, an old one too (section 4); nothing for any other text."""
        if len(hint) > LONGEST or not hint.isascii():
            return {}
        try:
            header = jwt.get_unverified_header(hint)
            key = await self._keyring.find(str(header.get("kid", "")))
            if key is None or header.get("typ") != "JWT" or "crit" in header:
                return {}
            claims: dict[str, Any] = jwt.decode(
                hint,
                key.private.public_key(),
                algorithms=[key.algorithm],
                issuer=self._issuer,
                options={"verify_aud": False, "verify_exp": False, "require": ["sub", "aud"]},
            )
        except jwt.PyJWTError:
            return {}
        return claims if isinstance(claims["aud"], str) else {}
