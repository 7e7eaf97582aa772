"""Filling an index that is new or of a new version."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable

from backends.errors import Refused
from backends.search import Document, Index, Search

BATCH = 500


async def fill(
    search: Search, index: Index, documents: Callable[[], AsyncIterable[Document]]
) -> int | None:
    """Ensure the index and, unless it is filled, put all `documents`; how many, None for none.

    What others put meanwhile is newer and stays as it is; who deletes meanwhile deletes again
    afterwards. May be run again after a failure, and by several processes at once, though one
    is enough: the one that leads. Raises Refused when a document does not fit the index.
    """
    if await search.ensure(index):
        return None
    count = 0
    batch: list[Document] = []
    async for document in documents():
        batch.append(document)
        if len(batch) == BATCH:
            count += await _put(search, index, batch)
            batch = []
    count += await _put(search, index, batch)
    await search.filled(index)
    return count


async def _put(search: Search, index: Index, batch: list[Document]) -> int:
    if failures := await search.put(index, batch, only_if_absent=True):
        raise Refused(f"search: {index.name} cannot be filled: {failures[0].reason}")
    return len(batch)
