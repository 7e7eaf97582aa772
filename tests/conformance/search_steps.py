"""What the contracts of search have in common: an index for all tests, and short questions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from uuid import uuid4

import pytest

from backends.errors import Missing
from backends.search import (
    And,
    Document,
    Field,
    Filter,
    Index,
    Page,
    Query,
    Search,
    Value,
)

names = count()
DAY = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
FIELDS = {
    "title": Field("text", weight=5.0),
    "body": Field("text"),
    "kind": Field("keyword"),
    "tags": Field("keyword", many=True),
    "price": Field("number"),
    "made": Field("date"),
    "open": Field("bool"),
    "owner": Field("keyword", stored=False),
}


def fresh(version: int = 1, **fields: Field) -> Index:
    return Index(f"conformance_{uuid4().hex[:8]}_{next(names)}", version, fields or FIELDS)


def ids(page: Page) -> list[str]:
    return [hit.id for hit in page.hits]


SHARED = fresh()


class OnAnIndex:
    """Fixtures to give: `search` and `other`, two drivers of one engine, as two processes have."""

    @pytest.fixture
    async def index(self, search: Search) -> AsyncIterator[Index]:
        """The same for every test, as making one is slow, and empty. The last test drops it."""
        await search.ensure(SHARED)
        yield SHARED
        with suppress(Missing):
            await search.delete_where(SHARED, And([]), refresh=True)

    async def filled(self, search: Search, index: Index, **documents: dict[str, Value]) -> None:
        listed = [Document(name, fields) for name, fields in documents.items()]
        assert await search.put(index, listed, refresh=True) == []

    async def found(self, search: Search, index: Index, text: str) -> set[str]:
        return set(ids(await search.query(index, Query(text))))

    async def matching(self, search: Search, index: Index, where: Filter) -> list[str]:
        return ids(await search.query(index, Query(where=where)))
