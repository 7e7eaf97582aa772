"""Full-text search: one contract, its drivers beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from backends.drivers import Backend, Driver, Drivers
from backends.search.highlights import Fragment, Piece
from backends.search.index import Document, Failure, Field, Index, Kind, Value
from backends.search.query import (
    And,
    Bucket,
    Eq,
    Exists,
    Filter,
    Hit,
    In,
    Not,
    Or,
    Page,
    Query,
    Range,
    Sort,
)

__all__ = [
    "DRIVERS",
    "And",
    "Bucket",
    "Document",
    "Eq",
    "Exists",
    "Failure",
    "Field",
    "Filter",
    "Fragment",
    "Hit",
    "In",
    "Index",
    "Kind",
    "Not",
    "Or",
    "Page",
    "Piece",
    "Query",
    "Range",
    "Search",
    "Sort",
    "Value",
]


class Search(Backend, Protocol):
    """An index of documents, searched by words, filtered by fields.

    What is in an index can be made again from where it came from, and that is relied on: a new
    version of an index starts empty. Every call names the `Index` it was written for, so that
    processes of two versions work beside each other while they are rolled.

    Raises BackendUnavailable when the engine does not answer within the driver's timeout (a
    write may be repeated: all of them can be carried out twice), Missing for an index that was not
    ensured or has been dropped, and Refused for what an index or a cursor cannot give.
    """

    async def ensure(self, index: Index) -> bool:
        """Make this version of the index if it is not there; whether it is filled.

        While it says False the index has to be filled: put all documents, then say `filled`
        (`filling.fill` does both). Until then it may be searched, and finds what is in it so far.
        Processes that ensure the same one at the same moment make one. Raises Conflict when it
        is there with other fields: its version has to be raised.
        """

    async def filled(self, index: Index) -> None:
        """Everything is in. Versions below are dropped."""

    async def drop(self, index: Index) -> None:
        """All its versions, with what is in them. Nothing if there are none."""

    async def put(
        self,
        index: Index,
        documents: Sequence[Document],
        *,
        only_if_absent: bool = False,
        refresh: bool = False,
    ) -> list[Failure]:
        """Each document replaces whole the one of its id, or with `only_if_absent` gives way to it.

        Those that do not fit the index are told and the others put. Of two with one id in one
        call the last is taken. Acknowledged documents outlive the engine's kill -9. They are found
        within about a second; with `refresh` as soon as the call is done, at a cost.
        """

    async def delete(self, index: Index, ids: Sequence[str], *, refresh: bool = False) -> int:
        """How many were there."""

    async def delete_where(self, index: Index, where: Filter, *, refresh: bool = False) -> int:
        """All that match when it is called; how many there were.

        One that is put again meanwhile stays or goes, whether or not it still matches.
        """

    async def query(self, index: Index, query: Query) -> Page:
        """One page. What a user typed never raises, whatever it is.

        A document that is put or deleted between two pages may be missed or seen twice.
        """


DRIVERS: Drivers[Search] = Drivers(
    "search",
    {
        "sqlite": Driver("backends.search.sqlite:open_sqlite"),
        "elasticsearch": Driver(
            "backends.search.elasticsearch:open_elasticsearch", "elasticsearch"
        ),
        "opensearch": Driver("backends.search.opensearch:open_opensearch", "opensearch"),
    },
)
