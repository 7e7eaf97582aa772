"""The grant `urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from plugins.auth.accounts.directory import Directory
from plugins.auth.oauth.access_tokens import AccessTokens
from plugins.auth.oauth.clients import Client
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.oauth.narrowing import kept
from plugins.auth.oauth.reading import Reading
from plugins.auth.oauth.token_endpoint import CNF

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name
DEEPEST = 5
"""Actors one after the other."""
KEPT = ("sid", "grant_id", "auth_time", "acr", "amr")
Claims = Mapping[str, Any]


class Exchange:
    """What comes out is worth no more than what went in: scopes of the token and of the client,
    an audience of either, no longer life, an end with the same session and grant; what is bound to
    a key, or bounded to an organisation, is exchanged for what is so too. Who acts is in `act`, and
    who did before within.
    """

    def __init__(self, reading: Reading, tokens: AccessTokens, directory: Directory) -> None:
        self._reading = reading
        self._tokens = tokens
        self._directory = directory

    async def handle(
        self, request: web.Request, client: Client, sent: Mapping[str, str]
    ) -> dict[str, Any]:
        if sent.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
            raise OAuthError("invalid_request", "access tokens are all there is")
        subject = await self._token("subject", sent)
        actor = await self._token("actor", sent) if _has_actor(sent) else None
        cnf = request.get(CNF)
        if cnf is None and ("cnf" in subject or (actor is not None and "cnf" in actor)):
            raise OAuthError("invalid_request", "a bound token is exchanged with a proof")
        scopes = kept(sent, str(subject.get("scope", "")).split(), client.scopes)
        issued = self._tokens.issue(
            str(subject["sub"]),
            client,
            scopes,
            cnf=cnf,
            act=_acting(client, subject, actor),
            audience=self._audience(client, subject, sent),
            until=int(subject["exp"]),
            claims={"org": subject["org"]} if "org" in subject else None,
            **{name: subject[name] for name in KEPT if name in subject},
        )
        return {**issued, "issued_token_type": ACCESS_TOKEN}

    async def _token(self, whose: str, sent: Mapping[str, str]) -> Claims:
        """Raises OAuthError for what is no good access token of ours (section 2.2.2)."""
        if sent.get(f"{whose}_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
            raise OAuthError("invalid_request", f"{whose}_token_type is {ACCESS_TOKEN}")
        if f"{whose}_token" not in sent or f"{whose}_token_type" not in sent:
            raise OAuthError("invalid_request", f"{whose}_token or its type is missing")
        claims = await self._reading.claims(sent[f"{whose}_token"])
        if claims is None or not await self._stands(claims):
            raise OAuthError("invalid_request", f"{whose}_token is not good, or no longer")
        return claims

    async def _stands(self, claims: Claims) -> bool:
        """A person's token is good while the person is welcome."""
        if "grant_id" not in claims:
            return True
        account = await self._directory.get(str(claims["sub"]))
        return account is not None and not account.disabled

    def _audience(self, client: Client, subject: Claims, sent: Mapping[str, str]) -> str:
        own = client.audience or self._tokens.audience
        held = subject["aud"] if isinstance(subject["aud"], list) else [subject["aud"]]
        asked = {sent[name] for name in ("audience", "resource") if name in sent} or {own}
        if len(asked) > 1 or not asked <= {own, *held}:
            raise OAuthError("invalid_target", "the client may have no tokens for that audience")
        return str(asked.pop())


def _has_actor(sent: Mapping[str, str]) -> bool:
    return "actor_token" in sent or "actor_token_type" in sent


def _acting(client: Client, subject: Claims, actor: Claims | None) -> dict[str, Any]:
    """`act` (section 4.1). Raises OAuthError when too many have acted before."""
    found: dict[str, Any] = {"sub": client.id if actor is None else str(actor["sub"])}
    found["client_id"] = client.id
    before = subject.get("act")
    depth, each = 1, before
    while isinstance(each, Mapping):
        depth, each = depth + 1, each.get("act")
    if depth > DEEPEST:
        raise OAuthError("invalid_request", f"no more than {DEEPEST} act one for the other")
    return {**found, "act": before} if before is not None else found
