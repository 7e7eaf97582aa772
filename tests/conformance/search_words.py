"""What users type finds what it should, and is never an error."""

from __future__ import annotations

import pytest

from backends.search import (
    Index,
    Query,
    Search,
)
from tests.conformance.search_steps import OnAnIndex, fresh, ids

HOSTILE = [
    '"', '""', '"""', "'", "-", "--", "- -", '-"', "*", "**", "-*", "(", ")", "()", "AND", "OR NOT",
    "NEAR(a, b)", "title:fox", "a AND", "NOT", "^", "fox^5", "fox~", "[1 TO 2]", "{x}", "\\", "/a/",
    "a\x00b", "\ud800", "\U0001f98a", "fox;drop table", "% _", '"fox', 'fo"x', "\u202e", "\n\t ",
    "a" * 100_000, '"' * 5000, "-a " * 5000, "* " * 5000, "\u0301" * 5000, "_exists_:a", "+a +b",
    "a&&b||!c", "<script>", "${x}", "{{x}}", '{"match_all": {}}',
]  # fmt: skip


class WordsContract(OnAnIndex):
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

    async def test_a_heavier_field_and_more_of_the_words_come_first(self, search: Search) -> None:
        index = fresh()  # scores know what others have deleted
        await search.ensure(index)
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
        await search.drop(index)
