"""Scopes that stand for permissions: what a token or a key may do of what its owner may."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.access.bundles import Bundle, Bundles
from plugins.auth.access.organisation_scope import BEGINS, NAMED, ORGANISATION, scope_of
from plugins.auth.access.tables import organisations, scopes
from plugins.auth.oauth.clients import SCOPE

EVERYTHING = "roles"
"""A token or key with this scope may do whatever its owner may, and names the roles."""
GROUPS = "groups"
RESERVED = frozenset(
    {EVERYTHING, GROUPS, ORGANISATION, "openid", "profile", "email", "offline_access"}
)


@dataclass(frozen=True, slots=True)
class Scope(Bundle):
    """created_at, updated_at: UTC seconds since 1970."""


class Scopes(Bundles[Scope]):
    kind, table, made = "scope", scopes, Scope

    def _new_name(self, name: str) -> str:
        if not SCOPE.fullmatch(name) or name in RESERVED or name.startswith(BEGINS):
            raise ValueError("that is no scope (RFC 6749 section 3.3), or has a meaning already")
        return name


async def described(sql: Sql, names: Iterable[str]) -> dict[str, str]:
    """What scopes of these names are said to be, where there is something, and what organisations
    are called. Raises BackendError."""
    ours = [name for name in names if name not in RESERVED]
    if not ours:
        return {}
    query = sa.select(scopes.c.name, scopes.c.description).where(scopes.c.name.in_(ours))
    ids = [found[1] for name in ours if (found := NAMED.fullmatch(name))]
    named = sa.select(organisations.c.id, organisations.c.name).where(organisations.c.id.in_(ids))
    async with sql.read() as connection:
        said = {row.name: row.description for row in await connection.execute(query)}
        if ids:
            said |= {scope_of(row.id): row.name for row in await connection.execute(named)}
    return said
