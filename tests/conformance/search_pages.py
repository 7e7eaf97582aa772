"""Filters, facets, highlights, order and pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta, timezone

import pytest

from backends.errors import Refused
from backends.search import (
    And,
    Document,
    Eq,
    Exists,
    Filter,
    In,
    Index,
    Not,
    Or,
    Query,
    Range,
    Search,
    Sort,
    Value,
)
from backends.search.query import COUNTED
from tests.conformance.search_steps import DAY, OnAnIndex, ids


class PagesContract(OnAnIndex):
    async def test_filters(self, search: Search, index: Index) -> None:
        await self.filled(
            search,
            index,
            a={"kind": "book", "price": 1, "made": DAY, "open": True, "tags": ["x", "y"]},
            b={
                "kind": "Book",
                "price": 2.5,
                "made": DAY + timedelta(microseconds=1),
                "open": False,
            },
            c={"kind": "film", "price": -3, "tags": ["y"], "owner": "me"},
            d={"title": "nothing", "tags": []},
        )
        east = DAY.astimezone(timezone(timedelta(hours=5)))
        expected: list[tuple[Filter, str]] = [
            (Eq("kind", "book"), "a"),
            (Eq("owner", "me"), "c"),
            (Eq("price", 2.5), "b"),
            (Eq("price", 1.0), "a"),
            (Eq("made", east), "a"),
            (Eq("open", False), "b"),
            (Eq("tags", "y"), "ac"),
            (In("kind", ["film", "book", "none"]), "ac"),
            (In("tags", ["x"]), "a"),
            (In("kind", []), ""),
            (Range("price", gte=1), "ab"),
            (Range("price", gt=1), "b"),
            (Range("price", gte=-3, lt=2.5), "ac"),
            (Range("made", gt=DAY), "b"),
            (Range("made", lte=DAY), "a"),
            (Range("kind", gte="a", lt="c"), "a"),
            (Range("price"), "abc"),
            (Exists("tags"), "ac"),
            (Exists("price"), "abc"),
            (Not(Exists("open")), "cd"),
            (Not(Eq("kind", "book")), "bcd"),
            (Not(Range("price", gt=0)), "cd"),
            (Not(Eq("tags", "x")), "bcd"),
            (Not(Not(Eq("kind", "book"))), "a"),
            (And([Eq("tags", "y"), Range("price", lt=0)]), "c"),
            (Or([Eq("kind", "Book"), Eq("tags", "x")]), "ab"),
            (Not(Or([Eq("kind", "Book"), Eq("tags", "x")])), "cd"),
            (Not(And([Eq("tags", "y"), Eq("kind", "book")])), "bcd"),
            (And([]), "abcd"),
            (Or([]), ""),
        ]
        for where, those in expected:
            assert await self.matching(search, index, where) == list(those), where

    async def test_words_and_filters_together(self, search: Search, index: Index) -> None:
        await self.filled(
            search,
            index,
            a={"title": "fox", "kind": "x"},
            b={"title": "fox", "kind": "y"},
            c={"title": "dog", "kind": "x"},
        )
        page = await search.query(index, Query("fox -dog", where=Eq("kind", "x")))
        assert ids(page) == ["a"]

    async def test_values_are_never_read_as_syntax(self, search: Search, index: Index) -> None:
        odd = ["' OR 1=1 --", "*", '"', "a AND b", "\\", "\x00", "%", "null", ""]
        documents = [Document(f"d{place}", {"kind": each}) for place, each in enumerate(odd)]
        assert await search.put(index, documents, refresh=True) == []
        for place, each in enumerate(odd):
            assert await self.matching(search, index, Eq("kind", each)) == [f"d{place}"]

    async def test_facets_are_counted_over_all_that_match(
        self, search: Search, index: Index
    ) -> None:
        await self.filled(
            search,
            index,
            a={"title": "fox", "kind": "x", "tags": ["p", "q"], "open": True, "price": 1},
            b={"title": "fox", "kind": "x", "tags": ["q"], "open": False, "price": 1},
            c={"title": "fox", "kind": "y", "open": True, "price": 2.5},
            d={"title": "dog", "kind": "z", "tags": ["p"], "open": True},
        )
        asked = Query("fox", facets={"kind": 10, "tags": 1, "open": 10, "price": 10}, limit=1)
        facets = (await search.query(index, asked)).facets
        said = {name: [(b.value, b.count) for b in buckets] for name, buckets in facets.items()}
        assert said == {
            "kind": [("x", 2), ("y", 1)],
            "tags": [("q", 2)],
            "open": [(True, 2), (False, 1)],
            "price": [(1.0, 2), (2.5, 1)],
        }
        assert isinstance(facets["open"][0].value, bool)

    async def test_highlights_are_pieces_of_the_text_as_it_was_put(
        self, search: Search, index: Index
    ) -> None:
        title = "<b>Der Straßen-Café</b> & mehr"
        await self.filled(search, index, one={"title": title, "body": "nothing here"})
        asked = Query('CAFE "der strassen" meh*', highlights=["title", "body"])
        (hit,) = (await search.query(index, asked)).hits
        (fragment,) = hit.highlights["title"]
        assert "".join(piece.text for piece in fragment) == title
        assert [piece.text for piece in fragment if piece.found] == ["Der Straßen", "Café", "mehr"]
        (beginning,) = hit.highlights["body"]
        assert [(piece.text, piece.found) for piece in beginning] == [("nothing here", False)]

    async def test_highlights_of_a_long_text_are_short(self, search: Search, index: Index) -> None:
        body = "filling " * 3000 + "a needle here " + "filling " * 3000
        await self.filled(search, index, one={"body": body})
        (hit,) = (await search.query(index, Query("needle", highlights=["body"]))).hits
        (fragment,) = hit.highlights["body"]
        assert [piece.text for piece in fragment if piece.found] == ["needle"]
        assert sum(len(piece.text) for piece in fragment) < 400

    async def test_sorted_with_what_lacks_the_field_last_and_ties_by_id(
        self, search: Search, index: Index
    ) -> None:
        await self.filled(
            search,
            index,
            e={"price": 1, "kind": "b", "made": DAY},
            d={"price": 1, "kind": "a"},
            c={"price": -2.5, "kind": "B", "made": DAY + timedelta(microseconds=1)},
            b={},
            a={"kind": "é"},
        )
        expected: list[tuple[Sequence[Sort], str]] = [
            ([Sort("price")], "cdeab"),
            ([Sort("price", descending=True)], "decab"),
            ([Sort("kind")], "cdeab"),
            ([Sort("kind", descending=True)], "aedcb"),
            ([Sort("made", descending=True)], "ceabd"),
            ([Sort("price", descending=True), Sort("kind", descending=True)], "edcab"),
        ]
        for sort, order in expected:
            page = await search.query(index, Query(sort=sort))
            assert ids(page) == list(order), sort
            assert page.hits[0].score is None

    @pytest.mark.parametrize(
        "query",
        [
            Query(limit=7),
            Query("fox", limit=7),
            Query(limit=7, sort=[Sort("price")]),
            Query(limit=7, sort=[Sort("price", descending=True), Sort("kind")]),
            Query("fox", limit=7, sort=[Sort("made")]),
        ],
    )
    async def test_pages_follow_each_other_without_gap_or_repetition(
        self, search: Search, index: Index, query: Query
    ) -> None:
        documents = []
        for n in range(30):
            fields: dict[str, Value] = {"title": "fox " * (n % 3 + 1)}
            if n % 4:
                fields |= {"price": n % 3, "kind": str(n % 2), "made": DAY + timedelta(days=n % 5)}
            documents.append(Document(f"{n:02}", fields))
        await search.put(index, documents, refresh=True)
        seen: list[str] = []
        after = None
        for _ in range(6):
            page = await search.query(index, _at(query, after))
            assert (page.total, page.exact) == (30, True)
            seen += ids(page)
            if (after := page.next) is None:
                break
        assert len(seen) == len(set(seen)) == 30
        whole = Query(query.text, sort=query.sort, limit=100)
        assert seen == ids(await search.query(index, whole))

    async def test_what_is_no_cursor_of_the_query_is_refused(
        self, search: Search, index: Index
    ) -> None:
        await self.filled(search, index, a={"title": "x"}, b={"title": "x"})
        cursor = (await search.query(index, Query(limit=1))).next
        assert cursor is not None
        forged = ["", "x", "=", "e30=", "W10=", "\ud800", "A" * 100_000, cursor[:-6], "bnVsbA=="]
        for after in forged:
            with pytest.raises(Refused, match="cursor"):
                await search.query(index, Query(after=after))
        for other in (Query("x", after=cursor), Query(sort=[Sort("price")], after=cursor)):
            with pytest.raises(Refused, match="cursor"):
                await search.query(index, other)

    async def test_only_so_many_are_counted(self, search: Search, index: Index) -> None:
        for start in range(0, COUNTED + 1, 2000):
            some = range(start, min(start + 2000, COUNTED + 1))
            await search.put(index, [Document(str(n), {"title": "fox"}) for n in some])
        await search.put(index, [], refresh=True)
        page = await search.query(index, Query("fox", facets={"kind": 3}))
        assert (page.total, page.exact, len(page.hits)) == (COUNTED, False, 20)
        assert await search.delete(index, ["0"], refresh=True) == 1
        page = await search.query(index, Query("fox"))
        assert (page.total, page.exact) == (COUNTED, True)

    async def test_only_the_fields_asked_for_are_given_back(
        self, search: Search, index: Index
    ) -> None:
        await self.filled(search, index, a={"title": "x", "kind": "k", "made": DAY})
        (hit,) = (await search.query(index, Query(fields=["made", "price"]))).hits
        assert hit.fields == {"made": DAY}
        (hit,) = (await search.query(index, Query("x", fields=[], highlights=["title"]))).hits
        assert hit.fields == {}
        assert hit.highlights["title"]

    @pytest.mark.parametrize(
        "query",
        [
            Query(where=Eq("nowhere", "x")),
            Query(where=Eq("title", "x")),
            Query(where=Eq("price", "x")),
            Query(where=In("open", ["x"])),
            Query(where=Range("open", gt=True)),
            Query(where=Range("made", gt="2026")),
            Query(where=Exists("title")),
            Query(where=Not(Or([Eq("nowhere", 1)]))),
            Query(where=In("price", list(range(2000)))),
            Query(facets={"title": 3}),
            Query(facets={"made": 3}),
            Query(facets={"kind": 0}),
            Query(facets={"kind": 101}),
            Query(sort=[Sort("tags")]),
            Query(sort=[Sort("nowhere")]),
            Query(sort=[Sort("price")] * 4),
            Query(highlights=["kind"]),
            Query(fields=["owner"]),
            Query(limit=0),
            Query(limit=101),
        ],
    )
    async def test_what_the_index_was_not_made_for_is_refused(
        self, search: Search, index: Index, query: Query
    ) -> None:
        with pytest.raises(Refused, match=r"^search: "):
            await search.query(index, query)

    async def test_filters_have_a_depth(self, search: Search, index: Index) -> None:
        deep: Filter = Eq("kind", "x")
        for _ in range(5000):
            deep = Not(deep)
        with pytest.raises(Refused):
            await search.query(index, Query(where=deep))
        with pytest.raises(Refused):
            await search.delete_where(index, deep)


def _at(query: Query, after: str | None) -> Query:
    return Query(query.text, sort=query.sort, limit=query.limit, after=after)
