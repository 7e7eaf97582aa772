"""Alembic migrations, a folder of revisions an owner, without alembic.ini and env.py."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from backends.errors import BackendError, Refused
from backends.sql import Sql

OWNER = re.compile(r"[a-z][a-z0-9_-]{0,39}")
ONE_BY_ONE = threading.Lock()
"""`alembic.op` is one for the whole process."""


async def migrate(sql: Sql, owner: str, folder: Path) -> list[str]:
    """Brings the owner's tables to what its folder says; the revisions that were carried out.

    All of them in one transaction that no other process is in: once it fails nothing has
    changed, and of processes that start together one migrates while the others wait. It runs in
    a thread with an event loop of its own, so a revision may take its time. A revision must not
    end its transaction (no `autocommit_block`, no `CREATE INDEX CONCURRENTLY`).

    owner: `[a-z][a-z0-9_-]*`, 40 characters at the most; its version is in the table
    `alembic_version_<owner>`. Raises Refused, naming the revision, when one fails, when the
    folder holds what is no revision, or when the database is newer than the folder;
    BackendUnavailable when the engine is away or another process holds the lock for too long.
    """
    table = _version_table(owner)

    def run() -> list[str]:
        with ONE_BY_ONE:
            return asyncio.run(_migrate(sql, _Revisions(owner, folder), table))

    return await asyncio.to_thread(run)


async def pending(sql: Sql, owner: str, folder: Path) -> list[str]:
    """The revisions that `migrate` would carry out, the first first. Raises as it does."""
    table = _version_table(owner)
    revisions = await asyncio.to_thread(_Revisions, owner, folder)
    async with sql.read() as connection:
        heads = await connection.run_sync(_heads, table)
    return [_name(step) for step in revisions.steps(heads)]


async def _migrate(sql: Sql, revisions: _Revisions, table: str) -> list[str]:
    async with sql.exclusive() as connection:
        return await connection.run_sync(revisions.carry_out, table)


def _version_table(owner: str) -> str:
    if not OWNER.fullmatch(owner):
        raise BackendError("sql: an owner of tables is named by a-z, 0-9, _ and -")
    return f"alembic_version_{owner}"


def _heads(connection: Connection, table: str) -> tuple[str, ...]:
    return MigrationContext.configure(connection, opts={"version_table": table}).get_current_heads()


def _name(step: Any) -> str:
    name: str = step.revision.revision
    return name


class _Revisions:
    """Of a folder. Blocks while it reads them."""

    def __init__(self, owner: str, folder: Path) -> None:
        self._owner = owner
        self._under_way: str | None = None
        try:
            self._scripts = ScriptDirectory(folder, version_locations=[folder])
            self._known = {script.revision for script in self._scripts.walk_revisions()}
        except Exception as error:
            raise Refused(
                f"sql: the migrations of {owner} cannot be read ({type(error).__name__}: {error})"
            ) from error

    def steps(self, heads: tuple[str, ...]) -> list[Any]:
        if unknown := sorted(set(heads) - self._known):
            raise Refused(
                f"sql: the database of {self._owner} is newer than this program, which does not "
                f"know its revision {unknown[0]}; start the version that made it, or a later one"
            )
        try:
            return list(self._scripts._upgrade_revs("heads", heads))  # type: ignore[arg-type]  # Alembic itself passes heads
        except CommandError as error:
            raise Refused(f"sql: the migrations of {self._owner}: {error}") from error

    def carry_out(self, connection: Connection, table: str) -> list[str]:
        done: list[str] = []

        def upgrade(heads: tuple[str, ...], _: MigrationContext) -> Iterator[MigrationStep]:
            for step in self.steps(heads):
                self._under_way = _name(step)
                yield step
                done.append(_name(step))

        options = {"version_table": table, "fn": upgrade}
        context = MigrationContext.configure(connection, opts=options)
        try:
            with Operations.context(context):
                context.run_migrations()
        except Exception as error:
            if self._under_way is None:
                raise
            cause = None if isinstance(error, BackendError) else error
            raise self._failure(error) from cause
        return done

    def _failure(self, error: Exception) -> BackendError:
        kind = type(error) if isinstance(error, BackendError) else Refused
        said = str(error).removeprefix("sql: ") if kind is type(error) else type(error).__name__
        return kind(
            f"sql: revision {self._under_way} of {self._owner} failed, nothing was changed: {said}"
        )
