"""Changes are told to who watches, without loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from backends.documents import (
    Beat,
    Change,
    Delete,
    Documents,
    Insert,
    Update,
    Watch,
)
from backends.errors import Refused
from tests.conformance.documents_steps import Contract

PATIENCE = 20.0


class WatchContract(Contract):
    """Every document has `n`, which each change raises. `documents` beats every 500 ms or less."""

    @asynccontextmanager
    async def watching(
        self, documents: Documents, place: str, after: str | None = None
    ) -> AsyncIterator[Watch]:
        async with documents.watch(place, after=after, field="n") as watch:
            yield watch

    async def changes(self, watch: Watch, until: int) -> list[Change]:
        """Up to the one that put n = until."""
        found: list[Change] = []
        async with asyncio.timeout(PATIENCE), aclosing(_reading(watch)) as reading:
            async for each in reading:
                if isinstance(each, Change):
                    found.append(each)
                    if each.document and each.document["n"] == until:
                        return found
        raise AssertionError

    async def test_what_changes_after_it_is_entered_is_told(
        self, documents: Documents, other: Documents, place: str
    ) -> None:
        await documents.insert(place, {"_id": "old", "n": 0})
        async with self.watching(documents, place) as watch:
            await other.insert(place, {"_id": "a", "n": 1})
            await other.insert(place, {"_id": "b", "n": 2})
            found = await self.changes(watch, 2)
            assert [(each.kind, each.key, each.document) for each in found] == [
                ("put", "a", {"_id": "a", "n": 1}),
                ("put", "b", {"_id": "b", "n": 2}),
            ]
            await other.update(place, Update({"_id": "old"}, {"$set": {"n": 3}}))
            await other.replace(place, {"_id": "a", "n": 4})
            found = await self.changes(watch, 4)
            assert [each.key for each in found] == ["old", "a"]

    async def test_an_empty_collection_may_be_watched(
        self, documents: Documents, place: str
    ) -> None:
        async with self.watching(documents, place) as watch:
            await documents.insert(place, {"_id": "a", "n": 1})
            assert [each.key for each in await self.changes(watch, 1)] == ["a"]

    async def test_it_goes_on_after_any_cursor_without_loss(
        self, documents: Documents, other: Documents, place: str
    ) -> None:
        async with self.watching(documents, place) as watch:
            for n in range(1, 21):
                await documents.insert(place, {"_id": n, "n": n})
            found = await self.changes(watch, 20)
        assert [each.key for each in found] == list(range(1, 21))
        await documents.insert(place, {"_id": 21, "n": 21})
        for seen in (1, 10, 20):
            async with self.watching(other, place, found[seen - 1].cursor) as again:
                keys = [each.key for each in await self.changes(again, 21)]
            assert keys[keys.index(seen + 1) :] == list(range(seen + 1, 22))

    async def test_a_quiet_one_beats_and_a_beat_is_a_cursor(
        self, documents: Documents, place: str
    ) -> None:
        await documents.insert(place, {"_id": 0, "n": 0})
        async with (
            asyncio.timeout(PATIENCE),
            self.watching(documents, place) as watch,
            aclosing(_reading(watch)) as reading,
        ):
            beats = [await anext(reading) for _ in range(2)]
        assert all(isinstance(each, Beat) for each in beats)
        await documents.insert(place, {"_id": 1, "n": 1})
        async with self.watching(documents, place, beats[1].cursor) as watch:
            assert 1 in [each.key for each in await self.changes(watch, 1)]

    async def test_a_writer_that_is_a_little_late_is_seen(
        self, documents: Documents, place: str
    ) -> None:
        async with self.watching(documents, place) as watch:
            await documents.insert(place, {"_id": "first", "n": 5})
            assert [each.key for each in await self.changes(watch, 5)] == ["first"]
            await documents.insert(place, {"_id": "late", "n": 3})
            await documents.insert(place, {"_id": "next", "n": 6})
            found = await self.changes(watch, 6)
            if len(found) == 1:
                found += await self.changes(watch, 3)
        assert {each.key for each in found} == {"late", "next"}

    async def test_a_burst_comes_whole_and_in_order(
        self, documents: Documents, other: Documents, place: str
    ) -> None:
        async with self.watching(documents, place) as watch:
            reading = asyncio.create_task(self.changes(watch, 1500))
            for start in range(1, 1501, 300):
                some = [Insert({"_id": n, "n": n}) for n in range(start, start + 300)]
                await other.bulk(place, some)
            assert [each.key for each in await reading] == list(range(1, 1501))

    async def test_many_with_one_value_are_told_once_each(
        self, documents: Documents, place: str
    ) -> None:
        async with self.watching(documents, place) as watch:
            for key in "cab":
                await documents.insert(place, {"_id": key, "n": 7})
            seen: list[Any] = []
            async with asyncio.timeout(PATIENCE), aclosing(_reading(watch)) as reading:
                while len(seen) < 3:
                    each = await anext(reading)
                    seen += [each.key] if isinstance(each, Change) else []
                await documents.insert(place, {"_id": "A", "n": 7})
                while len(seen) < 4:
                    each = await anext(reading)
                    seen += [each.key] if isinstance(each, Change) else []
                after = [await anext(reading)]
        assert sorted(seen) == ["A", "a", "b", "c"]
        assert isinstance(after[0], Beat)

    @pytest.mark.parametrize("cursor", ["", "x", "====", "BQAAAAA=", "\ud800", "ä", "A" * 10_000])
    async def test_what_is_no_cursor_is_refused(
        self, documents: Documents, place: str, cursor: str
    ) -> None:
        with pytest.raises(Refused, match="cursor"):
            async with self.watching(documents, place, cursor):
                pass

    async def test_who_leaves_leaves_no_task(self, documents: Documents, place: str) -> None:
        async with self.watching(documents, place):
            pass
        before = asyncio.all_tasks()
        for _ in range(20):
            async with self.watching(documents, place) as watch:
                reading = asyncio.create_task(self.changes(watch, 1))
                await asyncio.sleep(0)
                reading.cancel()
                await asyncio.wait([reading])
        await documents.check()
        assert asyncio.all_tasks() <= before


class StreamContract(Contract):
    """Where the engine has change streams: no field is needed, and deletes are seen."""

    async def test_deletes_and_drops_are_told(self, documents: Documents, place: str) -> None:
        async with documents.watch(place) as watch:
            assert watch.sees_deletes
            await documents.insert(place, {"_id": "a"})
            await documents.delete(place, Delete({"_id": "a"}))
            await documents.insert(place, {"_id": "b"})
            found = await _kinds(watch, 3)
        # One that was gone before it could be read is told by its delete alone.
        assert found in (
            [("put", "a"), ("delete", "a"), ("put", "b")],
            [("delete", "a"), ("put", "b")],
        )

    async def test_other_collections_are_not_seen(self, documents: Documents, place: str) -> None:
        async with documents.watch(place) as watch:
            await documents.insert(f"{place}_other", {"_id": "x"})
            await documents.insert(place, {"_id": "mine"})
            assert await _kinds(watch, 1) == [("put", "mine")]


async def _kinds(watch: Watch, most: int) -> Sequence[tuple[str, Any]]:
    """Until a beat comes after some, or there are so many."""
    found: list[tuple[str, Any]] = []
    async with asyncio.timeout(PATIENCE), aclosing(_reading(watch)) as reading:
        async for each in reading:
            if isinstance(each, Change):
                found.append((each.kind, each.key))
            if len(found) == most or (found and isinstance(each, Beat)):
                break
    return found


def _reading(watch: Watch) -> Any:
    return watch.__aiter__()
