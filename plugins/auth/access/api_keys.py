"""API keys of people and service accounts; a key itself is nowhere, its SHA-256 is."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.access import permission
from plugins.auth.access.errors import Missing, TooMany
from plugins.auth.access.key_text import HINT, drawn
from plugins.auth.access.options import AccessOptions
from plugins.auth.access.scopes import EVERYTHING
from plugins.auth.access.tables import api_keys, scopes, service_accounts
from plugins.auth.accounts.tables import accounts
from plugins.auth.audit.log import record
from plugins.auth.cache.epoch import Epoch


@dataclass(frozen=True, slots=True)
class ApiKeyRecord:
    """hint: how the key begins. used_at: None for never, to the minute. Times: UTC seconds."""

    id: str
    owner_id: str
    name: str
    hint: str
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int
    used_at: int | None


class ApiKeys:
    """actor: who does it, as the audit log has it. clock: UTC seconds since 1970."""

    def __init__(
        self,
        sql: Sql,
        epoch: Epoch,
        options: AccessOptions,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._epoch = epoch
        self._options = options
        self._clock = clock

    async def page(
        self, *, owner: str | None = None, after: str = "", limit: int = 100
    ) -> list[ApiKeyRecord]:
        """Those that work, of one owner or all, in the order of ids, those after one."""
        query = sa.select(api_keys).where(
            api_keys.c.id > after, api_keys.c.expires_at > int(self._clock())
        )
        if owner is not None:
            query = query.where(api_keys.c.owner_id == owner)
        async with self._sql.read() as connection:
            found = await connection.execute(query.order_by(api_keys.c.id).limit(limit))
            return [key_of(row) for row in found]

    async def create(
        self,
        owner: str,
        name: str,
        scopes: Iterable[str] = (),
        *,
        lifetime: int | None = None,
        actor: str | None = None,
    ) -> tuple[ApiKeyRecord, str]:
        """With the key, which is nowhere else. lifetime: seconds, else the longest.

        Raises ValueError, Missing for the owner or a scope, and TooMany.
        """
        longest = self._options.key_lifetime
        lasts = longest if lifetime is None else lifetime
        if not 0 < lasts <= longest or not name.strip():
            raise ValueError(f"a key has a name, and lasts {longest} seconds at most")
        now, key = int(self._clock()), drawn()
        values = {
            "id": secrets.token_hex(16),
            "hash": digest_of(key.encode()),
            "owner_id": owner,
            "name": permission.words(name, 100, "a name"),
            "hint": key[:HINT],
            "created_at": now,
            "expires_at": now + lasts,
            "warned": False,
        }
        async with self._epoch.write() as connection:
            await self._room(connection, owner, now)
            kept = await _known(connection, scopes)
            adding = api_keys.insert().values(**values, scopes=kept).returning(api_keys)
            row = (await connection.execute(adding)).one()
            await record(
                connection, "api_key_created", account=owner, key=row.id, scopes=kept, actor=actor
            )
        return key_of(row), key

    async def revoke(
        self, key_id: str, *, owner: str | None = None, actor: str | None = None
    ) -> bool:
        """Whether there was one (of this owner). No worker takes it a second later."""
        one = api_keys.delete().where(api_keys.c.id == key_id)
        if owner is not None:
            one = one.where(api_keys.c.owner_id == owner)
        async with self._epoch.write() as connection:
            gone = (await connection.execute(one.returning(api_keys.c.owner_id))).scalar()
            if gone is not None:
                await record(connection, "api_key_revoked", account=gone, key=key_id, actor=actor)
        return gone is not None

    async def _room(self, connection: AsyncConnection, owner: str, now: int) -> None:
        """The owner's row is held, so that no two keys are the last. Raises Missing, TooMany."""
        most = self._options.keys
        for table, bounded in ((accounts, True), (service_accounts, False)):
            query = sa.select(table.c.id).where(table.c.id == owner, ~table.c.disabled)
            if (await connection.execute(query.with_for_update())).first() is None:
                continue
            count = sa.select(sa.func.count()).select_from(api_keys)
            mine = count.where(api_keys.c.owner_id == owner, api_keys.c.expires_at > now)
            if bounded and (await connection.execute(mine)).scalar_one() >= most:
                raise TooMany(f"{most} keys at most")
            return
        raise Missing("there is no such account")


async def _known(connection: AsyncConnection, names: Iterable[str]) -> str:
    """Raises ValueError and Missing."""
    wanted = sorted(set(names))
    kept = " ".join(wanted)
    if len(kept) > 1000:
        raise ValueError("all scopes together have 1000 characters at most")
    needed = set(wanted) - {EVERYTHING}
    if needed:
        query = sa.select(scopes.c.name).where(scopes.c.name.in_(needed))
        if set((await connection.execute(query)).scalars()) != needed:
            raise Missing("there is no such scope")
    return kept


def digest_of(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def key_of(row: Any) -> ApiKeyRecord:
    return ApiKeyRecord(
        row.id,
        row.owner_id,
        row.name,
        row.hint,
        tuple(row.scopes.split()),
        row.created_at,
        row.expires_at,
        row.used_at,
    )
