"""Migrations must do the same on every driver of `Sql`. As `SqlContract`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from backends.errors import BackendError, Refused
from backends.sql import Sql
from backends.sql.migrations import migrate, pending

REVISION = '''
"""{about}"""

import sqlalchemy as sa
from alembic import op

revision = {number!r}
down_revision = {before!r}


def upgrade():
    {upgrade}
'''
PARENTS = (
    'op.create_table("parents", sa.Column("id", sa.Integer, primary_key=True),'
    ' sa.Column("name", sa.String(9)))'
)
CHILDREN = (
    'op.create_table("children", sa.Column("id", sa.Integer, primary_key=True),'
    ' sa.Column("parent", sa.Integer, sa.ForeignKey("parents.id", ondelete="CASCADE")))'
)
ROWS = "op.execute(\"INSERT INTO parents VALUES (1, 'Ada')\")"
FAILS = "op.execute(\"INSERT INTO parents VALUES (1, 'hush')\")"


def write(folder: Path, *upgrades: str) -> None:
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.py"):
        old.unlink()
    for number, upgrade in enumerate(upgrades, 1):
        before = f"{number - 1:04}" if number > 1 else None
        text = REVISION.format(about="x", number=f"{number:04}", before=before, upgrade=upgrade)
        (folder / f"{number:04}.py").write_text(text)


class SqlMigrationsContract:
    """Fixture to give: `sql`, a driver of an empty database."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return tmp_path / "revisions"

    async def test_what_is_pending_is_carried_out_once(self, sql: Sql, folder: Path) -> None:
        write(folder, PARENTS, ROWS)
        assert await pending(sql, "shop", folder) == ["0001", "0002"]
        assert await migrate(sql, "shop", folder) == ["0001", "0002"]
        assert await pending(sql, "shop", folder) == []
        assert await migrate(sql, "shop", folder) == []
        assert await tables(sql) == {"parents", "alembic_version_shop"}

    async def test_later_revisions_follow(self, sql: Sql, folder: Path) -> None:
        write(folder, PARENTS)
        await migrate(sql, "shop", folder)
        write(folder, PARENTS, ROWS, CHILDREN)
        assert await migrate(sql, "shop", folder) == ["0002", "0003"]
        assert await count(sql, "parents") == 1

    async def test_owners_have_versions_of_their_own(
        self, sql: Sql, folder: Path, tmp_path: Path
    ) -> None:
        write(folder, PARENTS)
        write(tmp_path / "other", CHILDREN.replace("parents.id", "children.id"))
        await asyncio.gather(
            migrate(sql, "shop", folder), migrate(sql, "mail-out", tmp_path / "other")
        )
        assert {"parents", "children", "alembic_version_mail-out"} <= await tables(sql)

    async def test_many_who_migrate_together_migrate_once(self, sql: Sql, folder: Path) -> None:
        write(folder, PARENTS, ROWS)
        done = await asyncio.gather(*[migrate(sql, "shop", folder) for _ in range(4)])
        assert sorted(map(len, done)) == [0, 0, 0, 2]
        assert await count(sql, "parents") == 1

    async def test_a_failed_one_is_named_and_changes_nothing(self, sql: Sql, folder: Path) -> None:
        write(folder, PARENTS)
        await migrate(sql, "shop", folder)
        write(folder, PARENTS, ROWS, CHILDREN, FAILS)
        with pytest.raises(
            BackendError, match="revision 0004 of shop failed, nothing was"
        ) as raised:
            await migrate(sql, "shop", folder)
        assert "hush" not in str(raised.value)
        assert await tables(sql) == {"parents", "alembic_version_shop"}
        assert await count(sql, "parents") == 0
        assert await pending(sql, "shop", folder) == ["0002", "0003", "0004"]

    async def test_a_first_one_that_fails_leaves_no_table(self, sql: Sql, folder: Path) -> None:
        write(folder, f"{PARENTS}; 1 / 0")
        with pytest.raises(Refused, match="ZeroDivisionError") as raised:
            await migrate(sql, "shop", folder)
        assert isinstance(raised.value.__cause__, ZeroDivisionError)
        assert await tables(sql) == set()

    async def test_a_database_newer_than_the_code_is_refused(self, sql: Sql, folder: Path) -> None:
        write(folder, PARENTS, ROWS)
        await migrate(sql, "shop", folder)
        write(folder, PARENTS)
        for call in (migrate, pending):
            with pytest.raises(Refused, match=r"shop is newer than this program.*0002"):
                await call(sql, "shop", folder)

    @pytest.mark.parametrize("text", ["", "nonsense(", "revision = 'a'\ndown_revision = 'b'"])
    async def test_a_folder_that_holds_no_migrations_is_refused(
        self, sql: Sql, folder: Path, text: str
    ) -> None:
        write(folder)
        (folder / "0001.py").write_text(text)
        for call in (migrate, pending):
            with pytest.raises(Refused, match="the migrations of shop"):
                await call(sql, "shop", folder)

    async def test_a_folder_that_is_not_there_is_refused(self, sql: Sql, folder: Path) -> None:
        with pytest.raises(Refused, match="the migrations of shop"):
            await migrate(sql, "shop", folder / "nowhere")

    @pytest.mark.parametrize("owner", ["", "Shop", "a b", "x" * 41, 'a";--', "1a"])
    async def test_an_owner_is_a_plain_name(self, sql: Sql, folder: Path, owner: str) -> None:
        write(folder, PARENTS)
        with pytest.raises(BackendError, match="an owner"):
            await migrate(sql, owner, folder)

    async def test_a_table_made_anew_keeps_the_rows_that_point_to_it(
        self, sql: Sql, folder: Path
    ) -> None:
        write(folder, PARENTS, CHILDREN, ROWS, 'op.execute("INSERT INTO children VALUES (1, 1)")')
        await migrate(sql, "shop", folder)
        altered = (
            'with op.batch_alter_table("parents") as t:\n'
            '        t.alter_column("name", type_=sa.String(99), nullable=False)'
        )
        write(folder, PARENTS, CHILDREN, ROWS, "pass", altered)
        assert await migrate(sql, "shop", folder) == ["0005"]
        assert await count(sql, "children") == 1
        with pytest.raises(Refused):
            async with sql.write() as connection:
                await connection.exec_driver_sql("INSERT INTO parents VALUES (2, NULL)")

    async def test_the_event_loop_goes_on_meanwhile(self, sql: Sql, folder: Path) -> None:
        write(folder, "import time; time.sleep(0.5)")
        turns = 0
        migrating = asyncio.create_task(migrate(sql, "shop", folder))
        while not migrating.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert turns > 10


async def tables(sql: Sql) -> set[str]:
    async with sql.read() as connection:
        return set(await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names()))


async def count(sql: Sql, table: str) -> int:
    async with sql.read() as connection:
        found = await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")
        return int(found.scalar_one())
