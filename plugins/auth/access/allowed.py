"""Whether somebody may do something to a resource: no, unless something says yes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import sqlalchemy as sa

from backends.sql import Sql
from gateway import Identity
from plugins.auth.access import permission
from plugins.auth.access.principals import Principal, Principals
from plugins.auth.access.scopes import EVERYTHING
from plugins.auth.access.tables import grants
from plugins.auth.cache.cached import Cached
from plugins.auth.cache.epoch import Epoch

KEPT = 20_000
BOUNDED = ("api_key", "jwt")


class Asker(NamedTuple):
    """scopes: what bounds it, or None. organisation: the only one it may act in, or None.
    client: it acts for itself, not for a person."""

    subject: str
    scopes: frozenset[str] | None = None
    organisation: str | None = None
    client: bool = False


class Allowed:
    """Decisions are remembered until anything changes, and for a minute at most."""

    def __init__(
        self,
        sql: Sql,
        epoch: Epoch,
        issuer: str,
        principals: Principals,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sql = sql
        self._epoch = epoch
        self._issuer = issuer
        self._principals = principals
        self._decided: Cached[bool] = Cached(epoch, KEPT, "decision", bool, clock=clock)

    def known(self, who: Identity | str | None, action: str, resource: str) -> bool | None:
        """The decision, if it was taken lately; never waits."""
        asker = self._asker(who)
        return False if asker is None else self._decided.get((asker, action, resource))

    async def ask(self, who: Identity | str | None, action: str, resource: str) -> bool:
        """who: `exchange.identity`, or the id of an account. Raises BackendError."""
        asker = self._asker(who)
        if asker is None:
            return False
        asked = asker, action, resource
        decided = self._decided.get(asked)
        if decided is None:
            would_do = permission.covering(action, resource)
            if not would_do or _elsewhere(asker.organisation, resource):
                self._decided.put(asked, False, self._epoch.turn)
                return False
            decided = await self._decided.find(
                asked, _text(*asked), lambda: self._decide(asker, would_do)
            )
        return decided is True

    async def _decide(self, asker: Asker, would_do: frozenset[str]) -> bool:
        if asker.client:
            return await self._client(asker, would_do)
        bounds = asker.scopes
        if bounds is None or EVERYTHING in bounds or await self._cover(bounds, would_do):
            return await self._holds(asker.subject, would_do)
        return False

    async def _client(self, asker: Asker, would_do: frozenset[str]) -> bool:
        """Its scopes were given to itself; they bound nobody else's rights."""
        if await self._principals.disabled(asker.subject):
            return False
        return await self._cover(asker.scopes or (), would_do) or await self._holds(
            asker.subject, would_do
        )

    async def _cover(self, scopes: Iterable[str], would_do: frozenset[str]) -> bool:
        known = await self._principals.scopes()
        return any(not would_do.isdisjoint(known.get(scope, ())) for scope in scopes)

    async def _holds(self, subject: str, would_do: frozenset[str]) -> bool:
        principal = await self._principals.get(subject)
        if principal is None:
            return False
        if not would_do.isdisjoint(principal.permissions):
            return True
        return await self._granted(principal, would_do)

    async def _granted(self, principal: Principal, would_do: frozenset[str]) -> bool:
        own = sa.and_(grants.c.kind == "principal", grants.c.holder == principal.id)
        by_group = sa.and_(grants.c.kind == "group", grants.c.holder.in_(principal.groups))
        query = sa.select(grants.c.holder).where(
            grants.c.permission.in_(would_do), sa.or_(own, by_group)
        )
        async with self._sql.read() as connection:
            return (await connection.execute(query.limit(1))).first() is not None

    def _asker(self, who: Identity | str | None) -> Asker | None:
        """None for whoever is not of this plugin: a name in another's token proves nothing here."""
        if who is None:
            return None
        if isinstance(who, str):
            return Asker(who)
        claims = who.claims
        if who.kind not in BOUNDED or claims.get("iss") != self._issuer:
            return None
        organisation = claims.get("org")
        if organisation is not None and not isinstance(organisation, str):
            return None
        client = who.kind == "jwt" and claims.get("client_id") == who.subject
        return Asker(who.subject, who.scopes, organisation, client)


def _text(asker: Asker, action: str, resource: str) -> str:
    """The same in every process, and of no other question."""
    scopes = None if asker.scopes is None else sorted(asker.scopes)
    return repr((asker.subject, scopes, asker.organisation, asker.client, action, resource))


def _elsewhere(organisation: str | None, resource: str) -> bool:
    """Whether it lies in an organisation, and not in that one."""
    if organisation is None or not resource.startswith("organisations/"):
        return False
    return resource.split("/")[1] != organisation
