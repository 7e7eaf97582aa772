"""Clients whose service account is disabled: their tokens are refused by every worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.access.tables import service_accounts
from plugins.auth.cache.epoch import Epoch


class EndedClients:
    """Read again when something has changed, so within a second."""

    def __init__(self, sql: Sql, epoch: Epoch) -> None:
        self._sql = sql
        self._epoch = epoch
        self._turn = -1
        self._ids: frozenset[str] = frozenset()

    def has(self, claims: Mapping[str, Any]) -> bool:
        """claims: of a verified access token; those of people name other clients."""
        client = claims.get("client_id")
        return client in self._ids and claims.get("sub") == client

    async def refresh(self) -> None:
        """Raises BackendError."""
        turn = self._epoch.turn
        if turn == self._turn:
            return
        query = sa.select(service_accounts.c.client_id).where(
            service_accounts.c.disabled, service_accounts.c.client_id.is_not(None)
        )
        async with self._sql.read() as connection:
            self._ids = frozenset((await connection.execute(query)).scalars())
        self._turn = turn
