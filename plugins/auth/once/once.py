"""A `jti` gets through once, on whatever process, until what bears it is too old to be used."""

from __future__ import annotations

import hashlib

from backends.sql import Sql
from plugins.auth.accounts.inserting import insert
from plugins.auth.once.tables import used


class Once:
    def __init__(self, sql: Sql) -> None:
        self._sql = sql
        self._add = insert(sql, used).on_conflict_do_nothing()

    async def first(self, signer: str, jti: str, until: int) -> bool:
        """One statement: of two who send it at once, one is first. signer: has no space in it.
        until: UTC seconds since 1970, from when it would be refused anyway.

        Raises BackendError.
        """
        hashed = hashlib.sha256(f"{signer} {jti}".encode()).digest()
        values = {"hash": hashed, "expires_at": until}
        async with self._sql.write() as connection:
            return bool((await connection.execute(self._add, values)).rowcount)
