"""What every driver of `Search` must do. Subclass `SearchContract` and give it its fixtures."""

from __future__ import annotations

import pytest

from backends.errors import Missing
from backends.search import Query, Search
from tests.conformance.search_indexes import IndexesContract
from tests.conformance.search_pages import PagesContract
from tests.conformance.search_puts import PutsContract
from tests.conformance.search_steps import SHARED, fresh
from tests.conformance.search_words import WordsContract

__all__ = ["SearchContract", "fresh"]


class SearchContract(PutsContract, WordsContract, PagesContract, IndexesContract):
    """Fixtures to give: `search` and `other`, two drivers of one engine, as two processes have."""

    async def test_the_last_one_drops_what_the_others_used(self, search: Search) -> None:
        await search.drop(SHARED)
        with pytest.raises(Missing):
            await search.query(SHARED, Query())
