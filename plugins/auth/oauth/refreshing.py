"""The grant `refresh_token` (RFC 6749 section 6), rotated as RFC 9700 section 4.14.2 asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from backends.sql import Sql
from plugins.auth.accounts.sessions import Sessions
from plugins.auth.oauth.clients import Client
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.oauth.grants import Granted, Grants
from plugins.auth.oauth.person_tokens import PersonTokens
from plugins.auth.oauth.standing import Standing, standing
from plugins.auth.oauth.token_endpoint import CNF


class Refreshing:
    def __init__(self, sql: Sql, grants: Grants, sessions: Sessions, tokens: PersonTokens) -> None:
        self._sql = sql
        self._grants = grants
        self._sessions = sessions
        self._tokens = tokens

    async def handle(
        self, request: web.Request, client: Client, sent: Mapping[str, str]
    ) -> dict[str, Any]:
        """Who comes second in a race is refused, and nothing ends: the winner has what follows."""
        if "refresh_token" not in sent:
            raise OAuthError("invalid_request", "refresh_token is missing")
        cnf = request.get(CNF)
        spent = await self._spent(client, sent, str(cnf["jkt"]) if cnf else "")
        if spent is None:
            raise OAuthError("invalid_grant", "the refresh token is not good, or no longer")
        granted, token, stands = spent
        return await self._tokens.issue(client, granted, stands, refresh_token=token, cnf=cnf)

    async def _spent(
        self, client: Client, sent: Mapping[str, str], jkt: str
    ) -> tuple[Granted, str, Standing] | None:
        async with self._sql.write() as connection:
            token = sent["refresh_token"]
            rotated = await self._grants.rotate(connection, client, token, sent, jkt)
            if rotated is None:
                return None
            granted, following = rotated
            stands = await standing(
                connection, self._sessions, granted.account_id, granted.session_id
            )
            if stands is None or not (granted.offline or stands.session):
                return None
        return granted, following, stands
