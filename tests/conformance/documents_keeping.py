"""Documents are kept, found and changed."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest

from backends.documents import (
    Delete,
    Documents,
    Failure,
    Insert,
    Operation,
    Replace,
    Update,
)
from backends.errors import BackendError, Conflict, Missing, Refused
from tests.conformance.documents_steps import Contract

CODE: list[dict[str, Any]] = [
    {"$where": "sleep(1000)"},
    {"$or": [{"a": 1}, {"$where": "1"}]},
    {"$expr": {"$function": {"body": "x", "args": [], "lang": "js"}}},
    {"a": {"$not": {"b": ({"$accumulator": 1},)}}},
]


class DocumentsContract(Contract):
    async def test_what_was_inserted_is_found_as_it_was(
        self, documents: Documents, place: str
    ) -> None:
        document = {
            "_id": "k",
            "text": "Ünïcode \U0001f98a\x00",
            "number": 2**62,
            "fraction": 0.1,
            "yes": True,
            "none": None,
            "bytes": b"\x00\xff",
            "time": datetime(2026, 11, 23, 12, 0, 0, 123000, tzinfo=UTC),
            "list": [1, "two", [3]],
            "mapping": {"a.b": 1, "": {"deep": []}},
        }
        assert await documents.insert(place, document) == "k"
        assert await documents.get(place, "k") == document

    async def test_a_key_is_made_for_who_has_none(self, documents: Documents, place: str) -> None:
        mine = {"a": 1}
        key = await documents.insert(place, mine)
        assert mine == {"a": 1}
        assert await documents.get(place, key) == {"_id": key, "a": 1}

    async def test_a_key_is_there_once(self, documents: Documents, place: str) -> None:
        await documents.insert(place, {"_id": 1, "a": "hush"})
        with pytest.raises(Conflict) as raised:
            await documents.insert(place, {"_id": 1})
        assert "hush" not in str(raised.value)
        assert raised.value.__cause__ is None

    async def test_who_is_not_there_is_missing(self, documents: Documents, place: str) -> None:
        for key in ("x", 1, {"$gt": ""}, None):
            with pytest.raises(Missing):
                await documents.get(place, key)
        assert await self.all(documents, place) == []
        assert await documents.count(place) == 0
        assert await documents.delete(place, Delete({})) == 0
        assert await documents.update(place, Update({}, {"$set": {"a": 1}})) == 0

    async def test_replace_takes_the_whole_document_and_tells_whether_it_made_it(
        self, documents: Documents, place: str
    ) -> None:
        assert await documents.replace(place, {"_id": 1, "a": 1, "b": 2}) is True
        assert await documents.replace(place, {"_id": 1, "c": 3}) is False
        assert await documents.get(place, 1) == {"_id": 1, "c": 3}
        with pytest.raises(Refused, match="_id"):
            await documents.replace(place, {"a": 1})

    async def test_many_who_replace_one_at_once_make_one(
        self, documents: Documents, other: Documents, place: str
    ) -> None:
        both = (documents, other)
        said = await asyncio.gather(
            *[both[n % 2].replace(place, {"_id": 1, "n": n}) for n in range(20)]
        )
        assert said.count(True) == 1
        assert await documents.count(place) == 1

    async def test_update_and_delete_one_or_many(self, documents: Documents, place: str) -> None:
        for n in range(5):
            await documents.insert(place, {"_id": n, "n": n})
        change = {"$set": {"done": True}, "$inc": {"n": 10}}
        assert await documents.update(place, Update({"n": {"$gte": 3}}, change, many=True)) == 2
        assert await documents.update(place, Update({"n": {"$lt": 3}}, change)) == 1
        assert await documents.count(place, {"done": True}) == 3
        assert await documents.update(place, Update({"_id": 9}, change)) == 0
        assert await documents.update(place, Update({"_id": 9}, change, upsert=True)) == 1
        assert await documents.get(place, 9) == {"_id": 9, "done": True, "n": 10}
        assert await documents.delete(place, Delete({"done": True})) == 1
        assert await documents.delete(place, Delete({"done": True}, many=True)) == 3
        assert await documents.count(place) == 2

    async def test_a_change_is_not_a_document(self, documents: Documents, place: str) -> None:
        for change in ({}, {"a": 1}, {"$set": {"a": 1}, "b": 2}):
            with pytest.raises(Refused):
                await documents.update(place, Update({}, change))
            with pytest.raises(Refused):
                await documents.bulk(place, [Update({}, change)])

    async def test_find_filters_sorts_projects_and_limits(
        self, documents: Documents, place: str
    ) -> None:
        for n in range(10):
            await documents.insert(place, {"_id": n, "even": n % 2 == 0, "n": -n, "x": "y"})
        found = await self.all(
            documents,
            place,
            where={"even": True, "n": {"$lte": -2}},
            fields=["n"],
            sort=[("even", False), ("n", False)],
            limit=3,
        )
        assert found == [{"_id": 8, "n": -8}, {"_id": 6, "n": -6}, {"_id": 4, "n": -4}]
        assert await self.all(documents, place, where={"_id": 1}, fields=[]) == [{"_id": 1}]

    async def test_find_streams_in_batches(self, documents: Documents, place: str) -> None:
        operations = [Insert({"_id": n, "text": "x" * 1000}) for n in range(1050)]
        assert (await documents.bulk(place, operations)).made == 1050
        sizes, keys = [], []
        async with aclosing(documents.find(place, sort=[("_id", False)], batch=100)) as batches:
            async for batch in batches:
                sizes.append(len(batch))
                keys += [each["_id"] for each in batch]
        assert keys == list(range(1050))
        assert max(sizes) <= 100
        async with aclosing(documents.find(place, batch=10)) as batches:
            async for _ in batches:
                break
        await documents.check()

    async def test_bulk_in_order_ends_at_the_first_failure(
        self, documents: Documents, place: str
    ) -> None:
        operations: list[Operation] = [
            Insert({"_id": 1}),
            Replace({"_id": 2, "a": 1}),
            Replace({"_id": 1, "a": 2}),
            Update({"a": {"$exists": True}}, {"$inc": {"a": 1}}, many=True),
            Update({"_id": 3}, {"$set": {"a": 5}}, upsert=True),
            Delete({"_id": 2}),
            Insert({"_id": 1, "secret": "hush"}),
            Insert({"_id": 4}),
        ]
        done = await documents.bulk(place, operations)
        assert (done.made, done.matched, done.deleted) == (3, 3, 1)
        assert [(each.place, each.kind) for each in done.failures] == [(6, "conflict")]
        assert await self.all(documents, place, sort=[("_id", False)]) == [
            {"_id": 1, "a": 3},
            {"_id": 3, "a": 5},
        ]

    async def test_bulk_without_order_tries_all(self, documents: Documents, place: str) -> None:
        await documents.insert(place, {"_id": 5})
        await documents.insert(place, {"_id": 1500})
        operations = [Insert({"_id": n}) for n in range(2000)]
        done = await documents.bulk(place, operations, ordered=False)
        assert done.made == 1998
        assert [(each.place, each.kind) for each in done.failures] == [
            (5, "conflict"),
            (1500, "conflict"),
        ]
        assert await documents.bulk(place, []) == (0, 0, 0, [])
        ordered = await documents.bulk(place, [Insert({"_id": n}) for n in (3000, 1, 3001)])
        assert ordered.made == 1
        assert isinstance(ordered.failures[0], Failure)
        assert await documents.count(place) == 2001

    @pytest.mark.parametrize("where", CODE)
    async def test_nothing_runs_code_in_the_server(
        self, documents: Documents, place: str, where: dict[str, Any]
    ) -> None:
        for call in (
            self.all(documents, place, where=where),
            documents.count(place, where),
            documents.delete(place, Delete(where)),
            documents.update(place, Update(where, {"$set": {"a": 1}})),
            documents.bulk(place, [Delete(where)]),
        ):
            with pytest.raises(Refused, match=r"\$where"):
                await call

    async def test_what_cannot_be_kept_is_refused(self, documents: Documents, place: str) -> None:
        deep: Any = 1
        for _ in range(500):
            deep = [deep]
        for value in (2**64, object(), {1: 2}, "\ud800", "x" * (17 << 20)):
            with pytest.raises(Refused) as raised:
                await documents.insert(place, {"_id": "a", "v": value})
            assert len(str(raised.value)) < 300
        with pytest.raises(Refused):
            await self.all(documents, place, where={"$nothing": 1})
        with pytest.raises(Refused):
            await self.all(documents, place, where={"a": deep})
        assert await documents.count(place) == 0

    @pytest.mark.parametrize("name", ["", "a$b", "a\x00b", "system.users", ".a", "x" * 300])
    async def test_what_is_no_name_is_refused(self, documents: Documents, name: str) -> None:
        for call in (
            documents.insert(name, {}),
            documents.count(name),
            documents.bulk(name, []),
            self.all(documents, name),
        ):
            with pytest.raises(Refused, match="name"):
                await call

    async def test_check_and_close(self, other: Documents) -> None:
        await other.check()
        await other.close()
        await other.close()
        for call in (other.check(), other.get("x", 1), other.insert("x", {})):
            with pytest.raises(BackendError):
                await call
