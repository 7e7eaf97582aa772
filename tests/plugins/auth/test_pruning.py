"""What is over goes, in batches; what lives stays; and no table grows with use for ever."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

import tests.plugins.auth.test_tables  # noqa: F401 - which imports all tables
from backends.sql import Sql
from plugins.auth.accounts.tables import accounts, attempts, links
from plugins.auth.accounts.unused import LOOKED_AT, Unused
from plugins.auth.audit.log import record
from plugins.auth.audit.tables import events
from plugins.auth.pruning import BATCH, DATED, Pruning
from plugins.auth.tables import metadata
from tests.plugins.auth.people import People

KEPT = {
    **dict.fromkeys(("auth_accounts", "auth_totp", "auth_recovery_codes"), "of people"),
    **dict.fromkeys(("auth_passkeys", "auth_identities", "auth_consents"), "of people"),
    **dict.fromkeys(("auth_groups", "auth_group_members", "auth_roles"), "of operators"),
    **dict.fromkeys(("auth_scopes", "auth_permission_grants"), "of operators"),
    **dict.fromkeys(("auth_service_accounts", "auth_clients"), "of operators"),
    **dict.fromkeys(("auth_organisations", "auth_memberships"), "of people, so many each"),
    "auth_registrations": "of clients",
    "auth_epochs": "one row",
    "auth_keys": "the keyring deletes them",
    "auth_outbox": "the postman gives letters up",
    "auth_logouts": "the messenger gives them up",
}
"""Tables that time alone empties of nothing."""


def test_each_table_is_pruned_or_has_a_bound_of_its_own() -> None:
    pruned = {over.table.name for _, over in DATED} | {events.name}
    assert not pruned & KEPT.keys()
    assert pruned | KEPT.keys() == set(metadata.tables)
    for key, over in DATED:
        indexed = {next(iter(each.columns)).name for each in over.table.indexes}
        assert over.name in indexed, over
        assert key.primary_key


def row(table: sa.Table, number: int, over: sa.Column[Any], at: int) -> dict[str, Any]:
    """Of whatever columns there are."""
    kinds: dict[type[object], object] = {int: 1, bool: False, bytes: number.to_bytes(32, "big")}
    values = {
        column.name: kinds.get(column.type.python_type, f"{number}"[:4])
        for column in table.columns
        if not column.nullable
    }
    return {**values, over.name: at}


async def test_of_each_table_goes_what_is_over_and_no_more(sql: Sql) -> None:
    async with sql.write() as connection:
        for _, over in DATED:
            rows = [row(over.table, n, over, at) for n, at in enumerate((499, 500, 501))]
            await connection.execute(over.table.insert(), rows)
    assert await Pruning(sql, lambda: 500.0).prune() == []
    async with sql.read() as connection:
        for _, over in DATED:
            assert (await connection.execute(sa.select(over))).scalars().all() == [501], over


async def test_rows_whose_time_is_over_go_batch_by_batch(sql: Sql) -> None:
    many = 2 * BATCH + 10
    old = [row(links, n, links.c.expires_at, 100 if n < many else 1000) for n in range(many + 5)]
    async with sql.write() as connection:
        await connection.execute(links.insert(), old)
        await connection.execute(
            attempts.insert().values(key=b"k" * 32, count=1, open_at=0, forget_at=100)
        )
    pruning = Pruning(sql, lambda: 500.0)
    left = await pruning.prune()
    assert len(left) == 1
    assert len(await pruning.prune(left)) == 1
    assert await pruning.prune(left) == []
    async with sql.read() as connection:
        for table, kept in ((links, 5), (attempts, 0)):
            count = sa.select(sa.func.count()).select_from(table)
            assert (await connection.execute(count)).scalar_one() == kept


async def test_an_account_that_was_only_made_goes_after_its_time(sql: Sql) -> None:
    people, gone = People(sql), []

    async def removed(connection: Any, account: str) -> None:
        gone.append(account)
        await connection.execute(accounts.delete().where(accounts.c.id == account))

    made = {}
    for name in ("unused", "guessed", "used", "confirmed", "invited", "before"):
        found = await people.directory.register(f"{name}@example.org", "violet-harbour-93", "::1")
        assert found is not None
        made[name] = found
    async with sql.write() as connection:
        for name, event in (
            ("guessed", "login_failed"),
            ("used", "logged_in"),
            ("invited", "user_invited"),
        ):
            await record(connection, event, account=made[name])
        mine = accounts.update().where(accounts.c.id == made["confirmed"])
        await connection.execute(mine.values(email_verified=True))
        mine = accounts.update().where(accounts.c.id == made["before"])
        await connection.execute(mine.values(created_at=accounts.c.created_at - LOOKED_AT - 10))
    now = int(people.clock())
    assert not await Unused(sql, 0, removed).prune(now + 10**7)
    for ahead in (90, 101):
        assert not await Unused(sql, 100, removed).prune(now + ahead)
        assert sorted(gone) == ([] if ahead == 90 else sorted([made["unused"], made["guessed"]]))
    people.hashing.stop()
