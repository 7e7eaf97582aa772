"""What every driver of `Search` must do. Subclass `SearchContract` and give it its fixtures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from uuid import uuid4

import pytest

from backends.errors import BackendError, Conflict, Missing, Refused
from backends.search import (
    And,
    Document,
    Eq,
    Exists,
    Field,
    Filter,
    In,
    Index,
    Not,
    Or,
    Page,
    Query,
    Range,
    Search,
    Sort,
    Value,
)
from backends.search.filling import fill
from backends.search.query import COUNTED

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
HOSTILE = [
    '"', '""', '"""', "'", "-", "--", "- -", '-"', "*", "**", "-*", "(", ")", "()", "AND", "OR NOT",
    "NEAR(a, b)", "title:fox", "a AND", "NOT", "^", "fox^5", "fox~", "[1 TO 2]", "{x}", "\\", "/a/",
    "a\x00b", "\ud800", "\U0001f98a", "fox;drop table", "% _", '"fox', 'fo"x', "\u202e", "\n\t ",
    "a" * 100_000, '"' * 5000, "-a " * 5000, "* " * 5000, "\u0301" * 5000, "_exists_:a", "+a +b",
    "a&&b||!c", "<script>", "${x}", "{{x}}", '{"match_all": {}}',
]  # fmt: skip


def fresh(version: int = 1, **fields: Field) -> Index:
    return Index(f"conformance_{uuid4().hex[:8]}_{next(names)}", version, fields or FIELDS)


def ids(page: Page) -> list[str]:
    return [hit.id for hit in page.hits]


SHARED = fresh()


class SearchContract:
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

    async def test_words_are_all_wanted_wherever_they_are(
        self, search: Search, index: Index
    ) -> None:
        await self.filled(
            search,
            index,
            one={"title": "red fox", "body": "runs"},
            two={"title": "red", "body": "dog"},
        )
        assert await self.found(search, index, "red runs") == {"one"}
        assert await self.found(search, index, "RED") == {"one", "two"}
        assert await self.found(search, index, "red cat") == set()

    async def test_phrases_negations_and_beginnings(self, search: Search, index: Index) -> None:
        await self.filled(
            search,
            index,
            one={"title": "quick brown fox"},
            two={"title": "brown quick fox"},
            three={"body": "quickly brown"},
        )
        assert await self.found(search, index, '"quick brown"') == {"one"}
        assert await self.found(search, index, '"brown fox"') == {"one"}
        assert await self.found(search, index, "fox -quick") == set()
        assert await self.found(search, index, 'fox -"quick brown"') == {"two"}
        assert await self.found(search, index, "-fox") == {"three"}
        assert await self.found(search, index, "quick*") == {"one", "two", "three"}
        assert await self.found(search, index, '"brown qui"*') == {"two"}
        assert await self.found(search, index, "brown -quick*") == set()
        assert await self.found(search, index, '"quick brown') == {"one"}

    @pytest.mark.parametrize(
        ("text", "asked"),
        [
            ("Ångström", "angstrom"),
            ("angstrom", "ÅNGSTRÖM"),
            ("Cafe\u0301 Łódź", "café łódź"),
            ("Straße", "STRASSE"),
            ("Ærø", "aero"),
            ("ﬁne \uff21\uff22\uff23", "fine abc"),
            ("Привет мир", "ПРИВЕТ"),
            ("Ελλάδα", "ελλαδα"),
            ("Đặng Thị", "dang thi"),
            ("東京都に住む", "京都"),
            ("ภาษาไทย", "ไทย"),
            ("हिन्दी में", "हिन्दी"),
            ("שָׁלוֹם", "שלום"),
            ("foo-bar_baz.qux", "bar"),
            ("don't", '"don t"'),
            ("user@example.com", "example.com"),
            ("x" * 400, "x" * 390),
            ("№ 5", "no"),
        ],
    )
    async def test_case_accents_and_scripts_are_folded_alike(
        self, search: Search, index: Index, text: str, asked: str
    ) -> None:
        await self.filled(search, index, one={"title": text}, two={"title": "other"})
        assert await self.found(search, index, asked) == {"one"}

    @pytest.mark.parametrize("asked", ["e", "trasse", "ang", "都京"])
    async def test_a_part_of_a_word_is_no_word(
        self, search: Search, index: Index, asked: str
    ) -> None:
        await self.filled(search, index, one={"title": "Straße été Ångström 京都"})
        assert await self.found(search, index, asked) == set()

    async def test_whatever_a_user_types_is_no_error(self, search: Search, index: Index) -> None:
        await self.filled(search, index, one={"title": "fox"})
        for asked in HOSTILE:
            assert (await search.query(index, Query(asked, highlights=["title"]))).total <= 1

    @pytest.mark.parametrize("asked", ["", " ", '"', "-", "***", '""', "!?"])
    async def test_without_a_word_everything_matches(
        self, search: Search, index: Index, asked: str
    ) -> None:
        await self.filled(search, index, b={}, a={})
        page = await search.query(index, Query(asked))
        assert ids(page) == ["a", "b"]
        assert page.hits[0].score is None

    async def test_a_heavier_field_and_more_of_the_words_come_first(
        self, search: Search, index: Index
    ) -> None:
        await self.filled(
            search,
            index,
            low={"title": "dog dog dog", "body": "a fox among many other words there"},
            high={"title": "fox dog cat", "body": "dog"},
            other={"title": "cat", "body": "mouse"},
        )
        page = await search.query(index, Query("fox"))
        assert ids(page) == ["high", "low"]
        first, second = [hit.score or 0.0 for hit in page.hits]
        assert first > second

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

    async def test_the_last_one_drops_what_the_others_used(self, search: Search) -> None:
        await search.drop(SHARED)
        with pytest.raises(Missing):
            await search.query(SHARED, Query())


def _at(query: Query, after: str | None) -> Query:
    return Query(query.text, sort=query.sort, limit=query.limit, after=after)
