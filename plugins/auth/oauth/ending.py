"""How grants end: with all their tokens, in the transaction of what ends them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from plugins.auth.access.organisation_scope import scope_of
from plugins.auth.oauth.revoked import Revoked
from plugins.auth.oauth.tables import codes, consents, grants

SOME = 500
"""Accounts in one statement."""


class Ending:
    def __init__(self, revoked: Revoked) -> None:
        self._revoked = revoked

    async def grants(
        self,
        connection: AsyncConnection,
        which: sa.ColumnElement[bool],
        *,
        also: Sequence[str] = (),
    ) -> int:
        """How many ended. also: ids that may have no row any more."""
        gone = await connection.execute(grants.delete().where(which).returning(grants.c.id))
        ids = [str(row.id) for row in gone]
        await self._revoked.grants(connection, dict.fromkeys([*ids, *also]))
        return len(ids)

    async def sessions(self, connection: AsyncConnection, ids: Sequence[str]) -> None:
        """For Sessions.on_end: access tokens of these sessions, and grants that go with them."""
        await self._revoked.sessions(connection, ids)
        theirs = grants.c.session_id.in_(ids)
        await self.grants(connection, sa.and_(theirs, ~grants.c.offline))

    async def client(self, connection: AsyncConnection, client_id: str) -> None:
        """All that people have granted it, and what it has for itself: it is deleted."""
        for table in (codes, consents):
            await connection.execute(table.delete().where(table.c.client_id == client_id))
        await self.grants(connection, grants.c.client_id == client_id)
        await self._revoked.client(connection, client_id)

    async def account(self, connection: AsyncConnection, account_id: str) -> None:
        """For Changes.on_leave: all that a person has granted."""
        await connection.execute(codes.delete().where(codes.c.account_id == account_id))
        await self.grants(connection, grants.c.account_id == account_id)

    async def memberships(
        self, connection: AsyncConnection, organisation_id: str, left: Sequence[str]
    ) -> None:
        """For Organisations.on_leave: what these accounts were granted for the organisation."""
        bound = grants.c.scopes.contains(scope_of(organisation_id))
        for start in range(0, len(left), SOME):
            theirs = grants.c.account_id.in_(left[start : start + SOME])
            await self.grants(connection, sa.and_(theirs, bound))
