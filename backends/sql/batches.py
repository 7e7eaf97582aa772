"""Rows to be loaded, in pieces of bounded size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from backends.errors import Refused
from backends.sql import Rows

ROWS = 1_000
VALUES = 10_000
BYTES = 1 << 20

Batch = list[Sequence[Any]]


class _Filling:
    """A batch that is full with a thousand rows, ten thousand values or a MiB of text and bytes."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._most = max(1, min(ROWS, VALUES // width))
        self._held = 0
        self.batch: Batch = []

    def add(self, row: Sequence[Any]) -> bool:
        """Whether it is full now. Raises Refused for a row of another width."""
        if len(row) != self._width:
            raise Refused(f"sql: a row of {len(row)} values for {self._width} columns")
        self.batch.append(row)
        for value in row:
            if isinstance(value, str | bytes):
                self._held += len(value)
        return len(self.batch) >= self._most or self._held >= BYTES

    def taken(self) -> Batch:
        batch, self.batch, self._held = self.batch, [], 0
        return batch


async def batches(rows: Rows, width: int) -> AsyncIterator[Batch]:
    """Of bounded size, but for a row that is larger. Others have their turn in between."""
    filling = _Filling(width)
    add = filling.add
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            if add(row):
                yield filling.taken()
    else:
        for row in rows:
            if add(row):
                yield filling.taken()
                await asyncio.sleep(0)
    if filling.batch:
        yield filling.taken()


def chosen(table: sa.Table, columns: Sequence[str]) -> list[sa.Column[Any]]:
    """Raises Refused for none, one that is not there, or one named twice."""
    if not columns or len(set(columns)) < len(columns):
        raise Refused(f"sql: columns of {table.name} to load into are named once each")
    if unknown := [name for name in columns if name not in table.c]:
        raise Refused(f"sql: {table.name} has no column {unknown[0]}")
    return [table.c[name] for name in columns]


def bound(
    columns: Sequence[sa.Column[Any]], dialect: sa.Dialect, batch: Batch
) -> Iterable[Sequence[Any]]:
    """The rows with each value as the column's type hands it to the driver."""
    binds = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in columns]
    if not any(binds):
        return batch
    by_column: list[Iterable[Any]] = list(zip(*batch, strict=True))
    for at, bind in enumerate(binds):
        if bind is not None:
            by_column[at] = map(bind, by_column[at])
    return zip(*by_column, strict=True)
