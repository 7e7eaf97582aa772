"""What a client is given for a person: access token, id_token, refresh token."""

from __future__ import annotations

import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from plugins.auth.accounts.account import Account
from plugins.auth.keys.keyring import Keyring
from plugins.auth.oauth.access_tokens import AccessTokens
from plugins.auth.oauth.clients import Client
from plugins.auth.oauth.grants import Granted
from plugins.auth.oauth.standing import Standing

LASTS = 3600
"""Seconds that an id_token is good for: it tells of a log-in that has just been."""
HASHES = {"ES256": hashlib.sha256, "RS256": hashlib.sha256, "EdDSA": hashlib.sha512}
Claims = Callable[[Account, Client, Sequence[str]], Awaitable[Mapping[str, Any]]]


class PersonTokens:
    """clock: UTC seconds since 1970."""

    def __init__(
        self,
        issuer: str,
        tokens: AccessTokens,
        keyring: Keyring,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._tokens = tokens
        self._keyring = keyring
        self._clock = clock
        self._claims: list[Claims] = []

    def add_claims(self, claims: Claims) -> None:
        """Further claims of access tokens, such as roles: asked for whenever one is issued."""
        self._claims.append(claims)

    async def issue(
        self,
        client: Client,
        granted: Granted,
        standing: Standing,
        *,
        refresh_token: str = "",
        nonce: str = "",
        cnf: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The members of a token response (RFC 6749 section 5.1, OpenID Connect Core 3.1.3.3).

        While the session lives the access token ends with it, and always with the grant.
        """
        more: dict[str, Any] = {}
        for claims in self._claims:
            more |= await claims(standing.account, client, granted.scopes)
        answer = self._tokens.issue(
            granted.account_id,
            client,
            granted.scopes,
            sid=granted.session_id if standing.session else None,
            grant_id=granted.id,
            cnf=cnf,
            auth_time=granted.auth_time,
            acr=granted.acr,
            amr=granted.amr,
            claims=more,
        )
        if refresh_token:
            answer["refresh_token"] = refresh_token
        if "openid" in granted.scopes:
            token = answer["access_token"]
            answer["id_token"] = await self._id_token(
                client, granted, standing.account, token, nonce=nonce, organisation=more.get("org")
            )
        return answer

    async def _id_token(
        self,
        client: Client,
        granted: Granted,
        account: Account,
        access_token: str,
        *,
        nonce: str,
        organisation: str | None,
    ) -> str:
        now, key = int(self._clock()), await self._keyring.signing_for(client.id_token_alg)
        digest = HASHES[key.algorithm](access_token.encode()).digest()
        half = urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
        claims = {
            **about(account, granted.scopes),
            "iss": self._issuer,
            "aud": client.id,
            "azp": client.id,
            "iat": now,
            "exp": now + LASTS,
            "auth_time": granted.auth_time,
            "acr": granted.acr,
            "amr": granted.amr,
            "at_hash": half,
        }
        if granted.session_id:
            claims["sid"] = granted.session_id
        if nonce:
            claims["nonce"] = nonce
        if organisation:
            claims["org"] = organisation
        return key.sign(claims, "JWT")


def about(account: Account, scopes: Sequence[str]) -> dict[str, Any]:
    """`sub`, and what the scopes `profile` and `email` tell (OpenID Connect Core 5.4)."""
    told: dict[str, Any] = {"sub": account.id}
    if "profile" in scopes:
        told |= {"locale": account.locale, "updated_at": account.updated_at}
        if account.name:
            told["name"] = account.name
    if "email" in scopes:
        told |= {"email": account.email, "email_verified": account.email_verified}
    return told
