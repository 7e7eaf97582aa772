"""Documents by collection and key: one contract, its driver beside it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from backends.drivers import Backend, Driver, Drivers
from backends.errors import BackendError

Document: TypeAlias = Mapping[str, Any]
"""Its key is `_id`. Values are str, int (64 bits), float, bool, None, bytes, datetime
(milliseconds; without a zone it is UTC, and comes back with one), lists and mappings; what else
an engine has comes as its library's type (bson.ObjectId, Decimal128) and is taken back so."""


class CursorExpired(BackendError):
    """What came after the cursor is not kept any more: read everything, then watch from now."""


@dataclass(frozen=True, slots=True)
class Insert:
    document: Document


@dataclass(frozen=True, slots=True)
class Replace:
    """By `_id` of the document; made if it is not there."""

    document: Document


@dataclass(frozen=True, slots=True)
class Update:
    """change: `{"$set": {...}, "$unset": {...}, "$inc": {...}}` and the like. many: all that match
    instead of one. upsert: made if none matches.
    """

    where: Document
    change: Document
    many: bool = False
    upsert: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    where: Document
    many: bool = False


Operation: TypeAlias = Insert | Replace | Update | Delete


class Failure(NamedTuple):
    """place: of the operation. kind: `conflict` when its key is there already."""

    place: int
    kind: Literal["conflict", "refused"]
    code: int


class Done(NamedTuple):
    """What a bulk did. matched: of replacements and updates, whether or not they changed anything.
    made: inserted, or by an upsert.
    """

    made: int
    matched: int
    deleted: int
    failures: Sequence[Failure]


@dataclass(frozen=True, slots=True)
class Change:
    """put: the document as it is when it is read, which may be later than the change. delete: no
    document. drop: of the whole collection; no key either. cursor: to watch on after this one.
    """

    kind: Literal["put", "delete", "drop"]
    key: Any
    document: Document | None
    cursor: str


@dataclass(frozen=True, slots=True)
class Beat:
    """Nothing has happened for a while, and the watch is alive. cursor: as of a change."""

    cursor: str


class Watch(Protocol):
    """sees_deletes: a change stream does; one polled by a field sees neither deletes nor drops."""

    @property
    def sees_deletes(self) -> bool: ...

    def __aiter__(self) -> AsyncIterator[Change | Beat]:
        """Never ends by itself, and has one reader.

        An engine that goes away is waited for; nothing of what it acknowledged is left out
        afterwards, and something may come twice. While it is away there are no beats. Raises
        CursorExpired, and Refused when the engine will not.
        """


class Documents(Backend, Protocol):
    """Collections come to be by the first write. `where` speaks MongoDB's query language,
    but for what runs code in the server ($where, $function, $accumulator), which is Refused:
    values that come from users go in as values, never as the mapping.

    What is acknowledged outlives the engine's kill -9. Raises BackendUnavailable when the engine
    does not answer within the driver's timeout, Refused for what no engine takes.
    """

    async def get(self, collection: str, key: Any) -> Document:
        """Raises Missing."""

    def find(
        self,
        collection: str,
        where: Document | None = None,
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, bool]] = (),
        limit: int = 0,
        batch: int = 500,
    ) -> AsyncGenerator[Sequence[Document], None]:
        """Batches of up to `batch` documents, each read when it is asked for; memory holds one.

        fields: those wanted beside `_id`. sort: field, whether descending. limit: 0 for none. Who
        leaves before the end closes it (contextlib.aclosing). The timeout is each batch's.
        """

    async def count(self, collection: str, where: Document | None = None) -> int: ...

    async def insert(self, collection: str, document: Document) -> Any:
        """Its key, made by the engine when it has none. Raises Conflict."""

    async def replace(self, collection: str, document: Document) -> bool:
        """By its `_id`, made if it is not there; whether it was made."""

    async def update(self, collection: str, update: Update) -> int:
        """How many matched, or were made. Raises Conflict when an upsert met another."""

    async def delete(self, collection: str, delete: Delete) -> int:
        """How many were there."""

    async def bulk(
        self, collection: str, operations: Sequence[Operation], *, ordered: bool = True
    ) -> Done:
        """ordered: one after the other, and none after the first that fails. Else all are tried."""

    def watch(
        self, collection: str, *, after: str | None = None, field: str | None = None
    ) -> AbstractAsyncContextManager[Watch]:
        """What changes from now on, or after a cursor. It is live when it has been entered.

        By change stream where the engine has them. Else by `field`, which every change raises
        (a sequence, or the time of the change) and which should be indexed: documents with the
        highest values are asked for from time to time. One that is written with a value below
        those seen is still found for a few seconds (the driver says how many), and what changed
        in those seconds before a cursor comes again after it. Entering raises Refused when the
        engine has no change streams and there is no `field`, and for what is no cursor.
        """


DRIVERS: Drivers[Documents] = Drivers(
    "documents",
    {
        "mongodb": Driver("backends.documents.mongodb:open_mongodb", "mongodb"),
        "mongodb+srv": Driver("backends.documents.mongodb:open_mongodb", "mongodb"),
    },
)
