"""The grant `password` (RFC 6749 section 4.3), which RFC 9700 section 2.4 says not to use."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from backends.sql import Sql
from plugins.auth.access.choosing import Choosing
from plugins.auth.accounts.account import Account
from plugins.auth.accounts.errors import AccountError, LockedOut, Overloaded
from plugins.auth.audit.log import record
from plugins.auth.oauth.clients import REFRESH, Client
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.oauth.grants import Granted, Grants, new_id
from plugins.auth.oauth.narrowing import for_person
from plugins.auth.oauth.person_tokens import PersonTokens
from plugins.auth.oauth.standing import standing
from plugins.auth.oauth.token_endpoint import CNF
from plugins.auth.pages.rooms import Rooms, address

log = logging.getLogger("gateway.auth.password")
WRONG = "the e-mail address, the password or the code is wrong"


class PasswordGrant:
    """Counted and locked as on the page; with a second factor it takes `otp` as well, which who has
    passkeys alone cannot send."""

    def __init__(
        self,
        sql: Sql,
        rooms: Rooms,
        grants: Grants,
        tokens: PersonTokens,
        *,
        choosing: Choosing,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._rooms = rooms
        self._grants = grants
        self._tokens = tokens
        self._choosing = choosing
        self._clock = clock

    async def handle(
        self, request: web.Request, client: Client, sent: Mapping[str, str]
    ) -> dict[str, Any]:
        if client.public:
            raise OAuthError("unauthorized_client", "a public client may not use this grant")
        if "username" not in sent or "password" not in sent:
            raise OAuthError("invalid_request", "username or password is missing")
        scopes = for_person(sent, client.scopes)
        log.warning("client %s sees passwords: the password grant was used", client.id)
        try:
            account, amr = await self._proved(request, sent)
        except LockedOut as error:
            headers = {"Retry-After": str(error.retry_after)}
            raise OAuthError("invalid_grant", "too many failures", headers=headers) from None
        except Overloaded:
            headers = {"Retry-After": "1"}
            raise OAuthError("temporarily_unavailable", "try again", 503, headers=headers) from None
        except AccountError:
            raise OAuthError("invalid_grant", WRONG) from None
        scopes = await self._settled(client, account, scopes)
        return await self._granted(request, client, account, amr, scopes)

    async def _settled(
        self, client: Client, account: Account, scopes: tuple[str, ...]
    ) -> tuple[str, ...]:
        """Nobody can be asked here. Raises OAuthError."""
        try:
            settled = await self._choosing.settled(account.id, client, scopes)
        except OAuthError as error:
            raise OAuthError("invalid_scope", error.description) from None
        if settled.among:
            raise OAuthError("invalid_scope", "of several organisations one has to be asked for")
        return settled.scopes

    async def _proved(
        self, request: web.Request, sent: Mapping[str, str]
    ) -> tuple[Account, tuple[str, ...]]:
        """Raises AccountError and OAuthError."""
        rooms, where = self._rooms, address(request)
        account = await rooms.directory.verify(sent["username"][:254], sent["password"], where)
        if not any(await rooms.held(account.id)):
            if rooms.options.second_factor:
                raise OAuthError("invalid_grant", "mfa_required: no second factor is set up")
            return account, ("pwd",)
        if "otp" not in sent:
            raise OAuthError("invalid_grant", "mfa_required: send the code of the app as otp")
        how = await rooms.totp.check(account.id, sent["otp"][:50], where)
        if how is None:
            raise OAuthError("invalid_grant", WRONG)
        return account, ("pwd", how)

    async def _granted(
        self,
        request: web.Request,
        client: Client,
        account: Account,
        amr: tuple[str, ...],
        scopes: tuple[str, ...],
    ) -> dict[str, Any]:
        acr = "aal2" if len(amr) > 1 else "aal1"
        now, cnf = int(self._clock()), request.get(CNF)
        granted = Granted(new_id(), client.id, account.id, "", True, scopes, now, amr, acr)
        async with self._sql.write() as connection:
            stands = await standing(connection, self._rooms.sessions, account.id, "")
            if stands is None:
                raise OAuthError("invalid_grant", WRONG)
            refresh = await self._grants.begin(
                connection, granted, refresh=REFRESH in client.grants
            )
            await record(
                connection,
                "password_grant",
                account=account.id,
                client=client.id,
                address=address(request),
            )
        return await self._tokens.issue(client, granted, stands, refresh_token=refresh, cnf=cnf)
