"""Indexes, their versions, and many who use them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from backends.errors import BackendError, Conflict, Missing
from backends.search import (
    And,
    Document,
    Field,
    Index,
    Query,
    Search,
    Sort,
)
from backends.search.filling import fill
from tests.conformance.search_steps import OnAnIndex, fresh, ids


class IndexesContract(OnAnIndex):
    async def test_an_index_is_empty_until_it_is_filled(
        self, search: Search, other: Search
    ) -> None:
        index = fresh()
        assert await search.ensure(index) is False
        assert await other.ensure(index) is False
        await search.filled(index)
        assert await search.ensure(index) is True
        assert await other.ensure(index) is True
        await search.drop(index)
        await search.drop(index)
        assert await other.ensure(index) is False
        await search.drop(index)

    async def test_many_may_ensure_it_at_once(self, search: Search, other: Search) -> None:
        index = fresh()
        said = await asyncio.gather(*[each.ensure(index) for each in (search, other) * 5])
        assert said == [False] * 10
        await self.filled(search, index, a={"title": "x"})
        assert await self.found(other, index, "x") == {"a"}
        await search.drop(index)

    async def test_versions_stand_beside_each_other_until_the_new_one_is_filled(
        self, search: Search, other: Search
    ) -> None:
        old = fresh(9, title=Field("text"))
        new = Index(old.name, 10, {"title": Field("text"), "kind": Field("keyword")})
        await search.ensure(old)
        await search.filled(old)
        await self.filled(search, old, a={"title": "old"})
        assert await other.ensure(new) is False
        assert ids(await other.query(new, Query())) == []
        await self.filled(search, old, b={"title": "late"})
        await self.filled(other, new, a={"title": "new", "kind": "k"})
        assert await self.found(search, old, "old late*") == set()
        assert await self.found(search, old, "late") == {"b"}
        await other.filled(new)
        assert await self.found(other, new, "new") == {"a"}
        with pytest.raises(Missing):
            await search.query(old, Query())
        with pytest.raises(Missing):
            await search.put(old, [Document("c", {})])
        await search.drop(old)
        with pytest.raises(Missing):
            await other.query(new, Query())

    async def test_other_fields_need_another_version(self, search: Search, index: Index) -> None:
        other = Index(index.name, index.version, {"title": Field("text")})
        with pytest.raises(Conflict, match="version 1"):
            await search.ensure(other)

    async def test_an_index_nobody_ensured_is_missing(self, search: Search) -> None:
        index = fresh()
        for call in (
            search.query(index, Query()),
            search.put(index, [Document("a", {})]),
            search.put(index, []),
            search.delete(index, ["a"]),
            search.delete(index, []),
            search.delete_where(index, And([])),
            search.filled(index),
        ):
            with pytest.raises(Missing, match="version 1"):
                await call
        assert await search.ensure(index) is False
        await search.drop(index)

    async def test_filling_puts_all_and_leaves_what_is_newer(self, search: Search) -> None:
        index = fresh()

        async def documents() -> AsyncIterator[Document]:
            for n in range(1001):
                if n == 1000:  # somebody changes what has been read already, and what will be
                    newer = [
                        Document("0", {"title": "newer"}),
                        Document("1000", {"title": "newer"}),
                    ]
                    await search.put(index, newer)
                yield Document(str(n), {"title": "older"})

        assert await fill(search, index, documents) == 1001
        await search.put(index, [], refresh=True)
        assert await self.found(search, index, "newer") == {"0", "1000"}
        assert (await search.query(index, Query())).total == 1001
        assert await fill(search, index, documents) is None
        await search.drop(index)

    async def test_indexes_do_not_see_each_other(self, search: Search, index: Index) -> None:
        second = fresh()
        await search.ensure(second)
        await self.filled(search, index, a={"title": "fox"})
        assert ids(await search.query(second, Query("fox"))) == []
        await search.drop(second)
        assert await self.found(search, index, "fox") == {"a"}

    async def test_an_index_without_text_is_searched_by_nothing(self, search: Search) -> None:
        index = fresh(kind=Field("keyword"))
        await search.ensure(index)
        await self.filled(search, index, a={"kind": "x"})
        assert ids(await search.query(index, Query("x"))) == []
        assert ids(await search.query(index, Query("-x"))) == ["a"]
        assert ids(await search.query(index, Query())) == ["a"]
        await search.drop(index)

    async def test_many_put_and_ask_at_once(
        self, search: Search, other: Search, index: Index
    ) -> None:
        async def put(driver: Search, place: int) -> None:
            some = [Document(f"{place}-{n}", {"title": "fox", "price": n}) for n in range(20)]
            assert await driver.put(index, some) == []
            await driver.query(index, Query("fox", sort=[Sort("price")]))

        await asyncio.gather(*[put((search, other)[n % 2], n) for n in range(20)])
        await search.put(index, [], refresh=True)
        assert (await other.query(index, Query("fox"))).total == 400

    async def test_a_big_batch_of_big_documents(self, search: Search, index: Index) -> None:
        text = "lorem ipsum dolor " * 15_000
        documents = [Document(str(n), {"body": f"{text} w{n}"}) for n in range(30)]
        assert await search.put(index, documents, refresh=True) == []
        assert await self.found(search, index, "w29 ipsum") == {"29"}
        longest = Document("long", {"body": "a" * ((1 << 20) + 1)})
        assert [each.id for each in await search.put(index, [longest])] == ["long"]

    async def test_check_and_close(self, other: Search) -> None:
        await other.check()
        await other.close()
        await other.close()
        with pytest.raises(BackendError):
            await other.query(fresh(), Query())
        with pytest.raises(BackendError):
            await other.check()
