"""Signing keys that follow each other; each is published before it signs, and after."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from backends.errors import BackendError
from backends.sql import Sql
from plugins.auth.accounts.inserting import insert
from plugins.auth.audit.log import record
from plugins.auth.keys.at_rest import AtRest, SealedOtherwise
from plugins.auth.keys.options import DAY, KeyOptions
from plugins.auth.keys.signing_key import SigningKey, new_private, signing_key
from plugins.auth.keys.tables import keys

EVERY = 30.0
"""Seconds between readings of the table: less than any key is published ahead."""
log = logging.getLogger("gateway.auth.keys")


class Keyring:
    """The keys of the table in memory; every worker has read a key before it is to sign."""

    def __init__(
        self,
        sql: Sql,
        at_rest: AtRest,
        options: KeyOptions,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._at_rest = at_rest
        self._options = options
        self._clock = clock
        self._keys: Sequence[SigningKey] = ()

    async def start(self) -> None:
        """Make the first key if there is none. Raises BackendError and SealedOtherwise."""
        await self.read()
        if not self._keys:
            await self._add(1, int(self._clock()))

    def signing(self) -> SigningKey:
        """The youngest of those that may sign by now."""
        now = self._clock()
        return max((key for key in self._keys if key.signs_at <= now), key=lambda key: key.number)

    def named(self, kid: str) -> SigningKey | None:
        """Of those that are published."""
        return next((key for key in self.published() if key.kid == kid), None)

    async def jwks(self) -> Mapping[str, Any]:
        """The JWK Set: keys that sign, will sign, or signed tokens that may still be valid."""
        return {"keys": [key.public for key in self.published()]}

    async def rotate(self) -> SigningKey:
        """A further key, which signs once it has been published for `ahead` seconds."""
        await self.read()
        newest = max(self._keys, key=lambda key: key.number)
        await self._add(newest.number + 1, int(self._clock()) + self._options.ahead)
        return max(self._keys, key=lambda key: key.number)

    async def keep(self) -> None:
        """What the schedule asks for: the next key in time, and none that is long over."""
        await self.read()
        newest, now = max(self._keys, key=lambda key: key.number), int(self._clock())
        ends = newest.signs_at + self._options.rotate
        if ends - self._options.ahead <= now:
            await self._add(newest.number + 1, max(ends, now + self._options.ahead))
        published = {key.number for key in self.published()}
        over = [key.number for key in self._keys if key.number not in published]
        if over:
            async with self._sql.write() as connection:
                await connection.execute(keys.delete().where(keys.c.number.in_(over)))
            await self.read()

    async def run(self, on_duty: Callable[[], bool]) -> None:
        """Until it is cancelled: read what others did, and on duty follow the schedule."""
        while True:
            await asyncio.sleep(EVERY)
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

    async def _add(self, number: int, signs_at: int) -> None:
        """Of two who add the same number at once, one does."""
        algorithm = self._options.algorithm
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
        await self.read()

    def published(self) -> list[SigningKey]:
        """All but those whose successor has signed for longer than any token lives."""
        now = self._clock()
        over = [key.number for key in self._keys if key.signs_at + DAY < now]
        last = max(over, default=0)
        return [key for key in self._keys if key.number >= last]
