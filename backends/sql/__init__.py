"""SQL databases: one contract, its drivers beside it."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from backends.drivers import Backend, Driver, Drivers
from backends.errors import Conflict

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.ext.asyncio import AsyncConnection

Rows = AsyncIterable[Sequence[Any]] | Iterable[Sequence[Any]]


class Contended(Conflict):
    """Another transaction was in the way (deadlock, serialization, a changed schema).

    Nothing was written; the same block may be run again.
    """


class Pool(NamedTuple):
    """Connections. size: at the most. in_use: by blocks. waiting: blocks in line for one."""

    size: int
    in_use: int
    waiting: int


class Sql(Backend, Protocol):
    """**Protocol:** transactions as blocks, on SQLAlchemy Core's AsyncConnection.

    - A block is one transaction and the only one who ends it: `commit` and `rollback` called
      within it are refused. `begin_nested` (a savepoint) may be used.
    - What the engine says is translated at once, so `except Conflict` works within a block too:
      Conflict for a unique, exclusion or foreign key; Contended for a deadlock; Refused for any
      other broken rule, a malformed statement or value, missing rights or a full disk;
      BackendUnavailable for an engine away or too slow. Messages hold names, never values.
      `__cause__` within the block is the library's own error and may hold values.
    - After a failed statement nothing of the block is written, even if the error was caught: the
      end of the block raises it again. To go on after a Conflict, fail within a savepoint.
    - A block that is cancelled or left by an exception is rolled back and its connection is
      free again. If the end itself fails with BackendUnavailable or is cancelled, whether it was
      written is not known.
    - A written block that was left without an exception survives `kill -9` of this process.
    - Blocks wait in line for a connection, a bounded time. A `write` within a `write` of the same
      task would wait for itself and is refused at once.
    - Session state (`SET`, advisory session locks, temporary tables) must not be left behind:
      connections are used again.
    """

    dialect: Literal["sqlite", "postgresql"]

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One consistent view, from the first statement on. Writing is Refused."""

    def write(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One transaction: written whole when the block ends, or not at all.

        SQLite runs one `write` at a time over all processes, PostgreSQL many at READ COMMITTED:
        what one block reads, another may change before it writes. Lock rows
        (`with_for_update`, no effect on SQLite) or write in one statement.
        """

    async def load(
        self,
        table: sa.Table,
        columns: Sequence[str],
        rows: Rows,
        *,
        within: AsyncConnection | None = None,
    ) -> int:
        """How many rows were added: all, or after any error none.

        columns: keys of `table.c`, in the order of a row's values. Values pass the columns'
        types as in an insert; defaults on Python's side are not made. Rows are taken in
        batches of bounded size as the engine takes them. within: a `write` block to be part of.
        An exception of `rows` goes through as it is.
        """

    def exclusive(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that no other process is in at the same time, for migrations.

        It has a connection of its own, no limit on a statement's time but an hour, may be
        used on any event loop, and waits ten minutes for its turn. Foreign keys are checked at
        its end on SQLite, so that a table can be made anew.
        """

    def pool(self) -> Pool: ...


DRIVERS: Drivers[Sql] = Drivers(
    "sql",
    {
        "sqlite": Driver("backends.sql.sqlite:open_sqlite"),
        "postgresql": Driver("backends.sql.postgresql:open_postgresql", extra="postgres"),
    },
)
