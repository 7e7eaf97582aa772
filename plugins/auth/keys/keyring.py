"""Signing keys that follow each other; each is published before it signs, and after.

There is a second line of them, of RS256, once a client has asked for id_tokens signed so: every
client of OpenID Connect can verify that (Core 1.0 section 15.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from backends.errors import BackendError
from backends.sql import Sql
from gateway.seat import Broadcast
from plugins.auth.accounts.inserting import insert
from plugins.auth.audit.actor import Actor
from plugins.auth.audit.log import record
from plugins.auth.keys.at_rest import AtRest, SealedOtherwise
from plugins.auth.keys.latest import Latest
from plugins.auth.keys.options import DAY, RS256, Algorithm, KeyOptions
from plugins.auth.keys.signing_key import SigningKey, new_private, signing_key
from plugins.auth.keys.tables import keys

EVERY = 30.0
"""Seconds between readings of the table: less than any key is published ahead."""
UNKNOWN, FRESH = 10.0, 1.0
"""Seconds between readings for a key that nobody knows; and how old what is published may be."""
TOPIC = "auth.keys"
log = logging.getLogger("gateway.auth.keys")


class Keyring:
    """The keys of the table in memory; every worker has read a key before it is to sign.

    broadcast: by which the workers of this host hear of a key at once.
    """

    def __init__(
        self,
        sql: Sql,
        at_rest: AtRest,
        options: KeyOptions,
        clock: Callable[[], float] = time.time,
        broadcast: Broadcast | None = None,
    ) -> None:
        self._sql = sql
        self._at_rest = at_rest
        self._options = options
        self._clock = clock
        self._broadcast = broadcast
        self._keys: Sequence[SigningKey] = ()
        self._latest = Latest(self.read)
        self._making = asyncio.Lock()
        self._stirred = asyncio.Event()

    async def start(self) -> None:
        """Make the first key if there is none. Raises BackendError and SealedOtherwise."""
        await self.read()
        if not self._line(second=False):
            ahead = self._options.ahead if self._keys else 0
            await self._add(self._options.algorithm, int(self._clock()) + ahead)

    @property
    def algorithm(self) -> str:
        """By which all is signed for which nothing else was asked."""
        return self._options.algorithm

    def signing(self, algorithm: str = "") -> SigningKey:
        """The youngest of those that may sign by now. algorithm: what a client asks for; RS256 is
        heeded once it was `offered`, also by a host whose clock is late."""
        now = self._clock()
        ready = [key for key in self._keys if key.signs_at <= now]
        if algorithm == RS256:
            line = [key for key in self._keys if key.algorithm == RS256]
            wanted = [key for key in line if key in ready] or line[:1]
        else:
            wanted = [key for key in ready if not self._is_second(key)]
        return max(wanted or ready, key=_number)

    async def signing_for(self, algorithm: str) -> SigningKey:
        """What a client asks for, also when another host has just made the first key of RS256.
        Raises BackendError."""
        await self.offered(algorithm)
        return self.signing(algorithm)

    async def offered(self, algorithm: str) -> bool:
        """Whether id_tokens can be signed by it. The first who asks for RS256 has a key made.
        Raises BackendError."""
        if algorithm == RS256 and not self._has_rs256():
            await self._latest.now()
            async with self._making:
                while not self._has_rs256():
                    await self._add(RS256, int(self._clock()))
        return algorithm in {RS256, self._options.algorithm}

    def named(self, kid: str) -> SigningKey | None:
        """Of those that are published."""
        return next((key for key in self.published() if key.kid == kid), None)

    async def find(self, kid: str) -> SigningKey | None:
        """As `named`; one that nobody here has heard of is looked for in the table, at most every
        ten seconds."""
        found = self.named(kid)
        if found is None:
            await self._latest.within(UNKNOWN)
            found = self.named(kid)
        return found

    async def jwks(self) -> Mapping[str, Any]:
        """The JWK Set: keys that sign, will sign, or signed tokens that may still be valid, as they
        were a second ago."""
        await self._latest.within(FRESH)
        return {"keys": [key.public for key in self.published()]}

    async def rotate(self, actor: Actor) -> SigningKey:
        """A further key, which signs once it has been published for `ahead` seconds."""
        await self.read()
        for line in self._lines():
            await self._add(self._following(line), int(self._clock()) + self._options.ahead, actor)
        return self._line(second=False)[-1]

    async def keep(self) -> None:
        """What the schedule asks for: the next key in time, and none that is long over."""
        await self.read()
        now, ahead = int(self._clock()), self._options.ahead
        for second in (False, True):
            line = self._line(second=second)
            if line and (ends := line[-1].signs_at + self._options.rotate) - ahead <= now:
                await self._add(self._following(line), max(ends, now + ahead))
        published = {key.number for key in self.published()}
        over = [key.number for key in self._keys if key.number not in published]
        if over:
            async with self._sql.write() as connection:
                await connection.execute(keys.delete().where(keys.c.number.in_(over)))
            await self.read()

    async def run(self, on_duty: Callable[[], bool]) -> None:
        """Until it is cancelled: read what others did, and on duty follow the schedule."""
        with contextlib.ExitStack() as ends:
            if self._broadcast is not None:
                ends.callback(self._broadcast.subscribe(TOPIC, lambda _: self._stirred.set()))
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stirred.wait(), EVERY)
                self._stirred.clear()
                try:
                    await (self.keep() if on_duty() else self.read())
                except (BackendError, SealedOtherwise) as error:
                    log.warning("signing keys were not read again: %s", error)

    async def read(self) -> None:
        """Raises BackendError and SealedOtherwise."""
        async with self._sql.read() as connection:
            rows = (await connection.execute(sa.select(keys).order_by(keys.c.number))).all()
        known = {key.kid: key for key in self._keys}
        self._keys = [known.get(row.kid) or self._open(row) for row in rows]

    def _open(self, row: Any) -> SigningKey:
        clear = self._at_rest.open(row.sealed, b"key " + row.kid.encode())
        return signing_key(row.number, row.algorithm, clear, row.signs_at)

    async def _add(self, algorithm: Algorithm, signs_at: int, actor: Actor | None = None) -> None:
        """Of two who add the same number at once, one does."""
        number = max(map(_number, self._keys), default=0) + 1
        der = await asyncio.to_thread(new_private, algorithm)
        key = signing_key(number, algorithm, der, signs_at)
        values = {
            "number": number,
            "kid": key.kid,
            "algorithm": algorithm,
            "sealed": self._at_rest.seal(der, b"key " + key.kid.encode()),
            "signs_at": signs_at,
        }
        adding = insert(self._sql, keys).values(values).on_conflict_do_nothing()
        async with self._sql.write() as connection:
            if (await connection.execute(adding)).rowcount:
                await record(connection, "key_added", kid=key.kid, signs_at=signs_at)
                if actor is not None:
                    name, address = actor
                    await record(
                        connection, "keys_rotated", actor=name, address=address, kid=key.kid
                    )
        await self.read()
        if self._broadcast is not None:
            self._broadcast.publish(TOPIC, b"")

    def published(self) -> list[SigningKey]:
        """All but those whose successor has signed for longer than any token lives."""
        now, found = self._clock(), []
        for line in self._lines():
            over = [key.number for key in line if key.signs_at + DAY < now]
            found += [key for key in line if key.number >= max(over, default=0)]
        return sorted(found, key=_number)

    def _lines(self) -> list[list[SigningKey]]:
        """The one of the setting, and that of RS256 if it was asked for; the youngest last."""
        both = (self._line(second=False), self._line(second=True))
        return [line for line in both if line]

    def _line(self, *, second: bool) -> list[SigningKey]:
        return [key for key in self._keys if self._is_second(key) is second]

    def _has_rs256(self) -> bool:
        return any(key.algorithm == RS256 for key in self._keys)

    def _is_second(self, key: SigningKey) -> bool:
        return key.algorithm == RS256 != self._options.algorithm

    def _following(self, line: list[SigningKey]) -> Algorithm:
        return RS256 if self._is_second(line[-1]) else self._options.algorithm


def _number(key: SigningKey) -> int:
    return key.number
