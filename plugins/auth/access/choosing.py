"""For which of their organisations people log in, and that it is theirs."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backends.sql import Sql
from plugins.auth.access.organisation_scope import (
    LONGEST,
    ORGANISATION,
    organisation_in,
    scope_of,
)
from plugins.auth.access.organisations import Member, Organisations
from plugins.auth.access.tables import memberships
from plugins.auth.oauth.clients import Client
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.oauth.tables import grants


class Settled(NamedTuple):
    """among: one of these has to be chosen first; by name."""

    scopes: tuple[str, ...]
    among: tuple[Member, ...] = ()


class Choosing:
    def __init__(self, sql: Sql, organisations: Organisations) -> None:
        self._sql = sql
        self._organisations = organisations

    async def settled(
        self, account_id: str, client: Client, scopes: tuple[str, ...], chosen: str = ""
    ) -> Settled:
        """With `organisation:ID` of the one that the client asks for or is of, of the only one,
        or of the one chosen; without for people who are in none.

        Raises OAuthError for one that the person is no member of, and BackendError.
        """
        if ORGANISATION not in scopes:
            return Settled(scopes)
        wanted, own = organisation_in(scopes), client.metadata.get(ORGANISATION)
        if own and wanted not in {None, own}:
            raise OAuthError("invalid_scope", "the client is of another organisation")
        joined = {each.organisation.id: each for each in await self._organisations.of(account_id)}
        named = wanted or own or (next(iter(joined)) if len(joined) == 1 else chosen)
        if named in joined:
            return Settled(_bound(scopes, named))
        if wanted or own:
            raise OAuthError("access_denied", "the person is no member of the organisation")
        return Settled(scopes, tuple(joined.values()))

    async def before(self, session_id: str, client_id: str) -> str:
        """What was chosen last for what the client still has of this session, or nothing."""
        mine = sa.and_(grants.c.session_id == session_id, grants.c.client_id == client_id)
        query = sa.select(grants.c.scopes).where(mine, grants.c.scopes.contains(scope_of("")))
        newest = query.order_by(grants.c.created_at.desc()).limit(1)
        async with self._sql.read() as connection:
            row = (await connection.execute(newest)).first()
        return "" if row is None else organisation_in(row.scopes.split()) or ""


async def check_member(
    connection: AsyncConnection, account_id: str, scopes: tuple[str, ...], *, hold: bool = False
) -> None:
    """hold: whoever leaves meanwhile waits for this block, and then ends what it has made.

    Raises OAuthError for who is no member of the organisation in the scopes.
    """
    if (organisation := organisation_in(scopes)) is None:
        return
    query = sa.select(memberships.c.account_id).where(
        memberships.c.organisation_id == organisation, memberships.c.account_id == account_id
    )
    query = query.with_for_update(read=True) if hold else query
    if (await connection.execute(query)).first() is None:
        raise OAuthError("invalid_grant", "the person is no member of the organisation any more")


def _bound(scopes: tuple[str, ...], organisation_id: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys((*scopes, scope_of(organisation_id))))
    if len(" ".join(found)) > LONGEST:
        raise OAuthError("invalid_scope", "these are too many scopes at once")
    return found
