"""Documents are put and deleted."""

from __future__ import annotations

from datetime import datetime

from backends.search import (
    Document,
    Eq,
    Index,
    Query,
    Range,
    Search,
    Value,
)
from tests.conformance.search_steps import DAY, OnAnIndex, ids


class PutsContract(OnAnIndex):
    async def test_what_was_put_is_found_and_given_back_as_it_was(
        self, search: Search, index: Index
    ) -> None:
        fields: dict[str, Value] = {
            "title": "A Fox\x01 <b>é</b>",
            "kind": "Ünïcode \U0001f98a",
            "tags": ["b", "a"],
            "price": 2**53,
            "made": DAY,
            "open": True,
            "owner": "hidden",
        }
        await self.filled(search, index, one=fields)
        (hit,) = (await search.query(index, Query("fox"))).hits
        assert hit.id == "one"
        assert hit.fields == {name: fields[name] for name in fields if name != "owner"}
        assert hit.score is not None

    async def test_a_put_replaces_the_whole_document(self, search: Search, index: Index) -> None:
        await self.filled(search, index, one={"title": "old", "tags": ["x"], "price": 1})
        await self.filled(search, index, one={"body": "new"})
        assert await self.found(search, index, "old") == set()
        assert await self.matching(search, index, Eq("tags", "x")) == []
        (hit,) = (await search.query(index, Query("new"))).hits
        assert hit.fields == {"body": "new"}

    async def test_put_only_if_absent_leaves_what_is_there(
        self, search: Search, index: Index
    ) -> None:
        await self.filled(search, index, one={"title": "first"})
        both = [Document("one", {"title": "second"}), Document("two", {"title": "second"})]
        assert await search.put(index, both, only_if_absent=True, refresh=True) == []
        assert await self.found(search, index, "first") == {"one"}
        assert await self.found(search, index, "second") == {"two"}

    async def test_of_two_with_one_id_the_last_is_taken(self, search: Search, index: Index) -> None:
        twice = [Document("one", {"title": "first"}), Document("one", {"title": "last"})]
        assert await search.put(index, twice, refresh=True) == []
        assert await self.found(search, index, "last") == {"one"}
        assert await self.found(search, index, "first") == set()

    async def test_each_document_that_does_not_fit_is_told_and_the_others_are_put(
        self, search: Search, index: Index
    ) -> None:
        wrong: list[dict[str, Value]] = [
            {"nowhere": "x"},
            {"title": 3},
            {"kind": ["a"]},
            {"kind": "x" * 5000},
            {"tags": [1]},  # type: ignore[list-item]  # what a careless caller sends
            {"price": "secret"},
            {"price": float("nan")},
            {"price": 2**53 + 1},
            {"price": True},
            {"made": "2026-11-23"},
            {"made": datetime(2026, 11, 23)},
            {"open": 1},
            {"title": "\ud800"},
        ]
        listed = [Document(f"wrong {place}", fields) for place, fields in enumerate(wrong)]
        listed += [Document("", {}), Document("x" * 513, {}), Document("right", {"title": "fox"})]
        failures = await search.put(index, listed, refresh=True)
        assert [failure.id for failure in failures] == [each.id for each in listed[:-1]]
        assert not [each for each in failures if "secret" in each.reason or not each.reason]
        assert ids(await search.query(index, Query())) == ["right"]

    async def test_ids_are_any_text(self, search: Search, index: Index) -> None:
        odd = ["a/b?c#d", "../..", "ü" * 256, "with space", "'; --", "_id", "%20", "\x00"]
        assert await search.put(index, [Document(each, {}) for each in odd], refresh=True) == []
        assert sorted(ids(await search.query(index, Query()))) == sorted(odd)
        assert await search.delete(index, odd, refresh=True) == len(odd)

    async def test_delete_tells_how_many_were_there(self, search: Search, index: Index) -> None:
        await self.filled(search, index, one={"title": "fox"}, two={"title": "fox"})
        assert await search.delete(index, ["one", "three", "\ud800"], refresh=True) == 1
        assert await search.delete(index, ["one"]) == 0
        assert await search.delete(index, []) == 0
        assert await self.found(search, index, "fox") == {"two"}

    async def test_delete_where_takes_all_that_match_also_those_just_put(
        self, search: Search, index: Index
    ) -> None:
        many = [Document(f"{n:04}", {"price": n, "tags": ["x"]}) for n in range(1200)]
        assert await search.put(index, many) == []
        assert await search.delete_where(index, Range("price", gte=100), refresh=True) == 1100
        assert (await search.query(index, Query())).total == 100
        assert await search.delete_where(index, Eq("tags", "y")) == 0
