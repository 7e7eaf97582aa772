"""Who is signed in: an opaque cookie, held as its SHA-256."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import sqlalchemy as sa
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.accounts.options import AccountOptions
from plugins.auth.accounts.tables import accounts, sessions
from plugins.auth.agent import agent_of
from plugins.auth.audit.log import record
from plugins.auth.cookies import cookie_of

OnEnd = Callable[[AsyncConnection, Sequence[str]], Awaitable[None]]
WAITING = RECENT = 600
TOUCHED = LEEWAY = 60
"""Seconds between notes of when a session was last seen; that other clocks may be off by."""
LIVES = sa.and_(
    sessions.c.expires_at > sa.bindparam("now"), sessions.c.seen_at > sa.bindparam("unused")
)
"""Of a session's row, with the parameters of `Sessions.when`."""
BEGUN = (
    sa.select(sessions)
    .join(accounts, accounts.c.id == sessions.c.account_id)
    .where(sessions.c.hash == sa.bindparam("token"), LIVES, ~accounts.c.disabled)
)
GO_ON = (
    sessions.delete()
    .where(sessions.c.hash == sa.bindparam("before"), LIVES)
    .where(sessions.c.account_id == sa.bindparam("account"))
    .returning(sessions.c.id, sessions.c.created_at)
)
ADD = sessions.insert()


@dataclass(frozen=True, slots=True)
class Session:
    """auth_time: UTC seconds since 1970. amr: RFC 8176. waiting: for the second factor."""

    id: str
    account_id: str
    auth_time: int
    created_at: int
    seen_at: int
    amr: tuple[str, ...]
    waiting: bool
    address: str
    agent: str

    @property
    def acr(self) -> str:
        """`aal2` for two factors or a passkey, else `aal1` (NIST SP 800-63B)."""
        return "aal2" if len(self.amr) > 1 or "hwk" in self.amr else "aal1"


class Opened(NamedTuple):
    """token: for the cookie. lasts: seconds."""

    id: str
    token: str
    lasts: int
    amr: tuple[str, ...]
    waiting: bool


class Sessions:
    """They end when unused for `session_idle` and in any case after `session_absolute`."""

    def __init__(
        self,
        sql: Sql,
        options: AccountOptions,
        issuer: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        parts = urlsplit(issuer)
        self._sql = sql
        self._options = options
        self._clock = clock
        self._secure = parts.scheme == "https"
        self.cookie = "__Host-auth" if self._secure else "auth"
        self._ended: list[OnEnd] = []
        self._begun: list[Callable[[Sequence[str]], None]] = []

    def on_end(self, callback: OnEnd) -> None:
        """Called with ids of sessions, in the transaction that ends them."""
        self._ended.append(callback)

    def on_begin(self, callback: Callable[[Sequence[str]], None]) -> None:
        """Called with the `amr` of each that has begun, and waits for nothing more."""
        self._begun.append(callback)

    async def current(self, request: web.Request) -> Session | None:
        session = await self.begun(request)
        return None if session is None or session.waiting else session

    async def begun(self, request: web.Request) -> Session | None:
        """Whose password was right, also when the second factor has yet to come (`waiting`)."""
        token = cookie_of(request, self.cookie)
        if not token:
            return None
        when = self.when()
        async with self._sql.read() as connection:
            row = (await connection.execute(BEGUN, {"token": _hash(token), **when})).first()
        if row is None:
            return None
        now = when["now"]
        if row.seen_at <= now - TOUCHED:
            seen = sessions.update().where(sessions.c.hash == row.hash).values(seen_at=now)
            async with self._sql.write() as connection:
                await connection.execute(seen)
        return _session_of(row)

    def when(self) -> dict[str, int]:
        """Since when a session that lives was not unused: the parameters of LIVES."""
        now = int(self._clock())
        return {"now": now, "unused": now - self._options.session_idle}

    async def used(self, connection: AsyncConnection, session_id: str, seen_at: int) -> None:
        """A client goes on for the person. seen_at: what its row says."""
        when = self.when()
        if seen_at <= when["now"] - TOUCHED:
            mine = sessions.update().where(sessions.c.id == session_id, LIVES)
            await connection.execute(mine.values(seen_at=when["now"]), when)

    def recent(self, session: Session) -> bool:
        """Whether the person was asked for the password in the last ten minutes."""
        return session.auth_time > self._clock() - RECENT

    async def begin(
        self,
        request: web.Request,
        response: web.StreamResponse,
        account_id: str,
        *,
        amr: tuple[str, ...],
        onward: bool = False,
    ) -> str:
        """Its id, as `open` and `hand` do it. onward: it must be going on, or nothing begins and
        the id is empty."""
        async with self._sql.write() as connection:
            opened = await self.open(connection, request, account_id, amr=amr, onward=onward)
        if opened is None:
            return ""
        self.hand(response, opened)
        return opened.id

    async def open(
        self,
        connection: AsyncConnection,
        request: web.Request,
        account_id: str,
        *,
        amr: tuple[str, ...],
        waiting: bool = False,
        onward: bool = False,
        auth_time: int | None = None,
    ) -> Opened | None:
        """What the browser is to be handed once the block has ended. The cookie is new each time,
        and the one before is good no more.

        Who logs in again goes on with the session, and what hangs on it; of somebody else it ends.
        onward: it must be going on, else None. auth_time: when another provider says that it asked
        the person, if that was not just now.
        """
        now = int(self._clock())
        token = secrets.token_urlsafe(32)
        lasts = WAITING if waiting else self._options.session_absolute
        values = {
            "hash": _hash(token),
            "id": secrets.token_hex(16),
            "account_id": account_id,
            "auth_time": now if auth_time is None or auth_time > now - LEEWAY else auth_time,
            "created_at": now,
            "seen_at": now,
            "expires_at": now + lasts,
            "amr": " ".join(amr),
            "waiting": waiting,
            "address": request["exchange"].client_ip,
            "agent": agent_of(request),
        }
        held = cookie_of(request, self.cookie)
        if held and (row := await self._gone_on(connection, held, account_id)) is not None:
            values |= {"id": row.id, "created_at": row.created_at}
        elif onward:
            return None
        elif held:
            await self._end(connection, sessions.c.hash == _hash(held))
        await connection.execute(ADD, values)
        opened = Opened(str(values["id"]), token, lasts, amr, waiting)
        if not waiting:
            await record(
                connection,
                "logged_in",
                account=account_id,
                session=opened.id,
                address=str(values["address"]),
                amr=" ".join(amr),
            )
        return opened

    def hand(self, response: web.StreamResponse, opened: Opened) -> None:
        """The cookie of what is written now."""
        if not opened.waiting:
            for callback in self._begun:
                callback(opened.amr)
        response.set_cookie(
            self.cookie,
            opened.token,
            path="/",
            max_age=opened.lasts,
            secure=self._secure,
            httponly=True,
            samesite="Lax",
        )

    async def _gone_on(self, connection: AsyncConnection, token: str, account_id: str) -> Any:
        """The row, no longer there, of the account's session that lives; else None."""
        mine = {"before": _hash(token), "account": account_id, **self.when()}
        return (await connection.execute(GO_ON, mine)).first()

    def forget(self, response: web.StreamResponse) -> None:
        response.del_cookie(
            self.cookie, path="/", secure=self._secure, httponly=True, samesite="Lax"
        )

    async def of_account(self, account_id: str) -> list[Session]:
        """Those that live, the last seen first; a hundred at most."""
        query = (
            sa.select(sessions)
            .where(sessions.c.account_id == account_id, ~sessions.c.waiting, LIVES)
            .order_by(sessions.c.seen_at.desc(), sessions.c.id)
            .limit(100)
        )
        async with self._sql.read() as connection:
            return [_session_of(row) for row in await connection.execute(query, self.when())]

    async def end(self, account_id: str, session_id: str) -> bool:
        """Whether there was such a session of this account."""
        one = sa.and_(sessions.c.account_id == account_id, sessions.c.id == session_id)
        async with self._sql.write() as connection:
            return bool(await self._end(connection, one))

    async def end_all(
        self,
        connection: AsyncConnection,
        account_id: str,
        keep: str | None = None,
        only: str | None = None,
    ) -> list[str]:
        """Ids of those that ended: all of the account's but `keep`, or `only` one."""
        some = sa.and_(sessions.c.account_id == account_id, sessions.c.id != (keep or ""))
        if only is not None:
            some = sa.and_(some, sessions.c.id == only)
        return await self._end(connection, some)

    async def _end(self, connection: AsyncConnection, which: sa.ColumnElement[bool]) -> list[str]:
        gone = sessions.delete().where(which).returning(sessions.c.id, sessions.c.account_id)
        rows = (await connection.execute(gone)).all()
        ids = [str(row.id) for row in rows]
        if ids:
            for callback in self._ended:
                await callback(connection, ids)
        for row in rows:
            await record(connection, "session_ended", account=row.account_id, session=row.id)
        return ids


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _session_of(row: Any) -> Session:
    return Session(
        row.id,
        row.account_id,
        row.auth_time,
        row.created_at,
        row.seen_at,
        tuple(row.amr.split()),
        row.waiting,
        row.address,
        row.agent,
    )
