"""Rows to be loaded, in pieces of bounded size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from backends.errors import Refused
from backends.sql import Rows

ROWS = 1_000
BYTES = 1 << 20

Bind = Callable[[Any], Any]
Batch = list[Sequence[Any]]


async def batches(rows: Rows, width: int) -> AsyncIterator[Batch]:
    """At most a thousand rows, or the fewest that hold a MiB of text and bytes.

    Raises Refused for a row of another width.
    """
    batch: Batch = []
    held = 0
    async for row in _each(rows):
        if len(row) != width:
            raise Refused(f"sql: a row of {len(row)} values for {width} columns")
        batch.append(row)
        held += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(batch) == ROWS or held >= BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


async def _each(rows: Rows) -> AsyncIterator[Sequence[Any]]:
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
        return
    assert isinstance(rows, Iterable)
    for number, row in enumerate(rows, 1):
        if not number % ROWS:
            await asyncio.sleep(0)
        yield row


def chosen(table: sa.Table, columns: Sequence[str]) -> list[sa.Column[Any]]:
    """Raises Refused for none, one that is not there, or one named twice."""
    if not columns or len(set(columns)) < len(columns):
        raise Refused(f"sql: columns of {table.name} to load into are named once each")
    if unknown := [name for name in columns if name not in table.c]:
        raise Refused(f"sql: {table.name} has no column {unknown[0]}")
    return [table.c[name] for name in columns]


def bound(
    columns: Sequence[sa.Column[Any]], dialect: sa.Dialect, batch: Iterable[Sequence[Any]]
) -> Iterable[Sequence[Any]]:
    """The rows with each value as the column's type hands it to the driver."""
    binds = [column.type.dialect_impl(dialect).bind_processor(dialect) for column in columns]
    if not any(binds):
        return batch
    return (
        tuple(
            value if bind is None else bind(value) for bind, value in zip(binds, row, strict=True)
        )
        for row in batch
    )
