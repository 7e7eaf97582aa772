"""Access tokens taken back before they expire, known to every worker within a second:
one by its `jti`, all of a session by its `sid`, all of a grant by its `grant_id`, all that a client
has for itself by its `client_id`."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.errors import BackendError
from backends.sql import Sql
from gateway.seat import Broadcast
from plugins.auth.accounts.inserting import insert
from plugins.auth.audit.log import record
from plugins.auth.oauth.tables import revoked
from plugins.auth.seldom import Seldom

EVERY, SOON = 0.5, 0.05
TOPIC = "auth.revoked"
OVERLAP = 60
"""Seconds that a reading goes back, for rows that were written late or by another clock."""
LEEWAY = 300
"""Seconds that the jwt middleware may be told to believe a token longer, at most."""
MOMENT = 2
"""Seconds within which every host has heard of a change, and gives tokens by it."""
KEPT = 20_000
"""Tokens remembered that are not taken back."""
PATIENCE = 30.0
"""Seconds for which a transaction is waited for that may not end well."""
Has = Callable[[Mapping[str, Any]], bool]
log = logging.getLogger("gateway.auth.revoked")


class Revoked:
    """Held in memory until they would have expired: 32 bytes and an expiry for each.

    A worker hears of it by broadcast, and reads what other hosts wrote twice a second.
    lifetime: seconds of an access token.
    """

    def __init__(
        self,
        sql: Sql,
        broadcast: Broadcast,
        lifetime: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._clock = clock
        self._broadcast = broadcast
        self._lifetime = lifetime
        self._until: dict[bytes, int] = {}
        self._good: set[str] = set()
        self._read_to = 0
        self._promised: dict[bytes, float] = {}
        self._stirred = asyncio.Event()
        self._also: list[Has] = []

    def also(self, ended: Has) -> None:
        """Another reason, known in memory, for which a token is good no more."""
        self._also.append(ended)

    async def start(self) -> Callable[[], None]:
        """What it answers ends it. Raises BackendError."""
        with contextlib.ExitStack() as ends:
            ends.callback(self._broadcast.subscribe(TOPIC, self._heard))
            await self.read()
            return ends.pop_all().close

    def has(self, claims: Mapping[str, Any]) -> bool:
        jti = claims.get("jti")
        if jti not in self._good:  # guards ask for each request, and hashes are dear
            if self._until and self._listed(claims):
                return True
            if len(self._good) >= KEPT:
                self._good.clear()
            if isinstance(jti, str):
                self._good.add(jti)
        for ended in self._also:  # noqa: SIM110 - a generator costs as much again
            if ended(claims):
                return True
        return False

    def _listed(self, claims: Mapping[str, Any]) -> bool:
        until = self._until
        if not until.keys().isdisjoint(map(_hash, _names(claims))):
            return True
        ends, old = claims.get("exp", 0) + LEEWAY, map(_so_far, _own(claims))
        return any(ends <= until.get(_hash(each), 0) for each in old)

    def _list(self, hashed: bytes, expires: int) -> None:
        if self._until.get(hashed, 0) < expires:
            self._until[hashed] = expires
            self._good.clear()

    async def add(self, claims: Mapping[str, Any]) -> None:
        """One token. Once more is no error. Raises BackendError."""
        hashed, expires = _hash(claims["jti"]), int(claims["exp"]) + LEEWAY
        async with self._sql.write() as connection:
            if await self._write(connection, [(hashed, expires)]):
                await record(connection, "token_revoked", client=claims["client_id"])
        self._list(hashed, expires)
        self._tell(hashed, expires)

    async def sessions(self, connection: AsyncConnection, ids: Iterable[str]) -> None:
        """All tokens of these sessions, once the transaction has ended well."""
        await self._promise(connection, [f"sid {each}" for each in ids])

    async def grants(self, connection: AsyncConnection, ids: Iterable[str]) -> None:
        """All tokens of these grants, once the transaction has ended well."""
        await self._promise(connection, [f"grant {each}" for each in ids])

    async def client(self, connection: AsyncConnection, client_id: str) -> None:
        """All that it has for itself, for ever: it is deleted, once the transaction ends well."""
        await self._promise(connection, [f"client {client_id}"])

    async def client_so_far(self, connection: AsyncConnection, client_id: str) -> None:
        """All that it has for itself, once the transaction has ended well; not what it gets two
        seconds later, which outlives all that was given before."""
        now = self._clock()
        hashed, expires = _hash(_so_far(client_id)), int(now) + self._lifetime + LEEWAY + MOMENT
        again = {"at": int(now), "expires_at": expires}
        adding = insert(self._sql, revoked).values(hash=hashed, **again)
        await connection.execute(
            adding.on_conflict_do_update(index_elements=[revoked.c.hash], set_=again)
        )
        self._promised[hashed] = now
        self._stirred.set()

    async def read(self) -> None:
        """What was written since the last time. Raises BackendError."""
        now = int(self._clock())
        query = sa.select(revoked.c.hash, revoked.c.expires_at).where(
            revoked.c.at >= self._read_to, revoked.c.expires_at > now
        )
        async with self._sql.read() as connection:
            for row in await connection.execute(query):
                self._list(row.hash, row.expires_at)
                if self._promised.pop(row.hash, None):
                    self._tell(row.hash, row.expires_at)
        self._read_to = now - OVERLAP

    async def run(self) -> None:
        """Until it is cancelled."""
        swept, away = self._clock(), Seldom(log, "revoked tokens were not read: %s")
        while True:
            await self._pause()
            now = self._clock()
            try:
                await self.read()
            except BackendError as error:
                away.warn(error)
            self._promised = {key: at for key, at in self._promised.items() if at > now - PATIENCE}
            if now > swept + 60:
                swept = now
                self._until = {key: end for key, end in self._until.items() if end > now}

    async def _pause(self) -> None:
        """Short while a transaction of this worker is about to revoke something."""
        self._stirred.clear()
        if self._promised:
            await asyncio.sleep(SOON)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stirred.wait(), EVERY)

    async def _promise(self, connection: AsyncConnection, whose: Iterable[str]) -> None:
        now = self._clock()
        expires = int(now) + self._lifetime + LEEWAY
        rows = [(_hash(each), expires) for each in whose]
        if not rows:
            return
        await self._write(connection, rows)
        self._promised.update({hashed: now for hashed, _ in rows})
        self._stirred.set()

    async def _write(self, connection: AsyncConnection, rows: list[tuple[bytes, int]]) -> int:
        """How many are new."""
        at = int(self._clock())
        values = [{"hash": hashed, "at": at, "expires_at": end} for hashed, end in rows]
        adding = insert(self._sql, revoked).values(values).on_conflict_do_nothing()
        return int((await connection.execute(adding)).rowcount)

    def _tell(self, hashed: bytes, expires: int) -> None:
        self._broadcast.publish(TOPIC, expires.to_bytes(8, "big") + hashed)

    def _heard(self, message: bytes) -> None:
        self._list(message[8:], int.from_bytes(message[:8], "big"))


def _names(claims: Mapping[str, Any]) -> list[str]:
    """By which a token may be in the table. One without a grant is of clients alone: of the one
    that has it, and of the one that it was exchanged for (RFC 8693)."""
    found = [str(claims.get("jti", ""))]
    if (sid := claims.get("sid")) is not None:
        found.append(f"sid {sid}")
    if "grant_id" in claims:
        found.append(f"grant {claims['grant_id']}")
    return [*found, *(f"client {each}" for each in _own(claims))]


def _own(claims: Mapping[str, Any]) -> set[Any]:
    """The clients whose own it is: none of a person's."""
    return set() if "grant_id" in claims else {claims.get("client_id"), claims.get("sub")}


def _so_far(client_id: str) -> str:
    return f"client {client_id} so far"


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
