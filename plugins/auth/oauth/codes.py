"""Authorization codes, and the grant that they are redeemed by (RFC 6749 section 4.1)."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.accounts.sessions import Session, Sessions
from plugins.auth.audit.log import record
from plugins.auth.oauth.authorization import OFFLINE, Asked
from plugins.auth.oauth.clients import REFRESH, Client
from plugins.auth.oauth.ending import Ending
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.oauth.grants import Granted, Grants, new_id
from plugins.auth.oauth.person_tokens import PersonTokens
from plugins.auth.oauth.standing import Standing, standing
from plugins.auth.oauth.tables import codes
from plugins.auth.oauth.tables import grants as granted_table
from plugins.auth.oauth.token_endpoint import CNF

LASTS, REMEMBERED = 60, 3600
"""Seconds that a code is good, and that its second use is known as one."""
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
MINE = sa.and_(codes.c.hash == sa.bindparam("code"), codes.c.client_id == sa.bindparam("client"))
ADD = codes.insert()
USE = (
    codes.update()
    .where(MINE, ~codes.c.used, codes.c.good_until > sa.bindparam("now"))
    .values(used=True)
    .returning(codes)
)
USED = sa.select(codes).where(MINE, codes.c.used)
Redeemed = tuple[Granted, Standing, str, str]


class Codes:
    def __init__(
        self,
        *,
        sql: Sql,
        grants: Grants,
        ending: Ending,
        sessions: Sessions,
        tokens: PersonTokens,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._grants = grants
        self._ending = ending
        self._sessions = sessions
        self._tokens = tokens
        self._clock = clock

    async def make(self, connection: AsyncConnection, asked: Asked, session: Session) -> str:
        """256 random bits that stand for what the person lets the client do."""
        now, code = int(self._clock()), secrets.token_urlsafe(32)
        values = {
            "hash": _hash(code),
            "grant_id": new_id(),
            "client_id": asked.client.id,
            "account_id": session.account_id,
            "session_id": session.id,
            "redirect_uri": asked.redirect_uri if asked.redirect_sent else "",
            "challenge": asked.challenge,
            "scopes": " ".join(asked.scopes),
            "nonce": asked.nonce,
            "auth_time": session.auth_time,
            "amr": " ".join(session.amr),
            "acr": session.acr,
            "jkt": asked.jkt,
            "used": False,
            "good_until": now + LASTS,
            "expires_at": now + REMEMBERED,
        }
        await connection.execute(ADD, values)
        return code

    async def handle(
        self, request: web.Request, client: Client, sent: Mapping[str, str]
    ) -> dict[str, Any]:
        """A code counts once, whatever else is wrong; all that came from it ends when it is sent
        again (RFC 6749 section 4.1.2)."""
        if "code" not in sent or not VERIFIER.fullmatch(sent.get("code_verifier", "")):
            raise OAuthError("invalid_request", "code or code_verifier is missing, or is none")
        cnf = request.get(CNF)
        jkt = str(cnf["jkt"]) if cnf else ""
        async with self._sql.write() as connection:
            redeemed = await self._redeemed(connection, client, sent, jkt)
        if redeemed is None:
            raise OAuthError("invalid_grant", "the code is not good, or no longer")
        granted, stands, nonce, refresh = redeemed
        return await self._tokens.issue(
            client, granted, stands, refresh_token=refresh, nonce=nonce, cnf=cnf
        )

    async def _redeemed(
        self, connection: AsyncConnection, client: Client, sent: Mapping[str, str], jkt: str
    ) -> Redeemed | None:
        mine = {"code": _hash(sent["code"]), "client": client.id}
        row = (await connection.execute(USE, {**mine, "now": int(self._clock())})).first()
        if row is None:
            await self._sent_again(connection, mine)
            return None
        same = sent.get("redirect_uri", "") == row.redirect_uri or not row.redirect_uri
        if not same or not _proved(sent["code_verifier"], row.challenge):
            return None
        if row.jkt not in {"", jkt}:
            return None
        stands = await standing(connection, self._sessions, row.account_id, row.session_id)
        if stands is None or not stands.session:
            return None
        granted = _granted(row, jkt if client.public else "")
        refresh = await self._grants.begin(connection, granted, refresh=REFRESH in client.grants)
        return granted, stands, row.nonce, refresh

    async def _sent_again(self, connection: AsyncConnection, mine: Mapping[str, Any]) -> None:
        row = (await connection.execute(USED, mine)).first()
        if row is None:
            return
        whose = granted_table.c.id == row.grant_id
        await self._ending.grants(connection, whose, also=[row.grant_id])
        await record(
            connection,
            "code_reused",
            account=row.account_id,
            client=row.client_id,
            session=row.session_id,
        )


def _granted(row: Any, jkt: str) -> Granted:
    scopes = tuple(row.scopes.split())
    return Granted(
        row.grant_id,
        row.client_id,
        row.account_id,
        row.session_id,
        OFFLINE in scopes,
        scopes,
        row.auth_time,
        tuple(row.amr.split()),
        row.acr,
        jkt,
    )


def _proved(verifier: str, challenge: str) -> bool:
    """RFC 7636 section 4.6, S256."""
    digest = hashlib.sha256(verifier.encode()).digest()
    made = urlsafe_b64encode(digest).rstrip(b"=")
    return hmac.compare_digest(made, challenge.encode())


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode(errors="replace")).digest()
