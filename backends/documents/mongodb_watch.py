"""Watching a collection of MongoDB: by its change stream, or by a field."""

from __future__ import annotations

import asyncio
import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import bson
from bson.errors import BSONError
from bson.timestamp import Timestamp
from pymongo.asynchronous.change_stream import AsyncChangeStream
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import OperationFailure

from backends.documents import Beat, Change
from backends.documents.mongodb_errors import NO_TOKEN, translated
from backends.errors import BackendError, BackendUnavailable, Refused

Collection = AsyncCollection[dict[str, Any]]
PUTS = ("insert", "update", "replace")
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
BATCH = 500
MOST_TOLD = 100_000


def written(**about: Any) -> str:
    return urlsafe_b64encode(bson.encode(about)).decode()


def read(cursor: str, *names: str) -> dict[str, Any]:
    """One of `names` and what it stands for. Raises Refused."""
    try:
        about = bson.decode(urlsafe_b64decode(cursor))
    except (ValueError, binascii.Error, BSONError):
        about = {}
    if len(about) != 1 or next(iter(about)) not in names:
        raise Refused("documents: this is not a cursor of such a watch")
    return about


class Pace(NamedTuple):
    """Seconds: of one call; between beats; between two questions to a server without streams, and
    how late a writer may be there.
    """

    timeout: float
    beat: float
    poll: float
    overlap: float


class StreamWatch:
    """By change stream. Its place is a resume token, or before the first one a time of the server.

    A stream waits for a beat in the server, and tells then that nothing happened.
    """

    sees_deletes = True

    def __init__(self, collection: Collection, where: str, pace: Pace) -> None:
        self._collection = collection
        self._where = where
        self._pace = pace
        self._place: dict[str, Any] = {}
        self._stream: AsyncChangeStream[dict[str, Any]] | None = None

    async def enter(self, after: str | None) -> None:
        if after is None:
            async with translated(self._where, self._pace.timeout):
                said = await self._collection.database.command("ping")
            if (now := said.get("operationTime")) is not None:
                self._place = {"time": Timestamp(now.time, now.inc + 1)}
        else:
            self._place = read(after, "token", "time", "ended")
        await self._open()

    async def leave(self) -> None:
        if self._stream is not None:
            stream, self._stream = self._stream, None
            async with translated(self._where, self._pace.timeout):
                await stream.close()

    async def __aiter__(self) -> AsyncIterator[Change | Beat]:
        while True:
            event = await patiently(self._next)
            if event is None:
                yield Beat(written(**self._place))
            elif (change := self._change(event)) is not None:
                yield change

    async def _open(self) -> None:
        names = {"token": "resume_after", "time": "start_at_operation_time", "ended": "start_after"}
        start = {names[name]: place for name, place in self._place.items()}
        try:
            async with translated(self._where, self._pace.timeout):
                self._stream = await self._opened(start)
        except _NoToken:
            raise Refused("documents: this is not a cursor of such a watch") from None
        self._note()

    async def _opened(self, start: dict[str, Any]) -> AsyncChangeStream[dict[str, Any]]:
        try:
            return await self._collection.watch(
                full_document="updateLookup", max_await_time_ms=int(self._pace.beat * 1000), **start
            )
        except OperationFailure as error:
            if start and error.code in NO_TOKEN:
                raise _NoToken from None
            raise

    async def _next(self) -> dict[str, Any] | None:
        if self._stream is None or not self._stream.alive:
            await self._open()
        assert self._stream is not None
        try:
            async with translated(self._where, self._pace.timeout + self._pace.beat):
                event = await self._stream.try_next()
        except BaseException:
            await self._drop()
            raise
        if event is None or event["operationType"] != "invalidate":
            self._note()
        else:
            self._place = {"ended": event["_id"]}
            await self._drop()
        return event

    def _note(self) -> None:
        if self._stream is not None and (token := self._stream.resume_token) is not None:
            self._place = {"token": dict(token)}

    async def _drop(self) -> None:
        """So that the next call opens it anew, from its place."""
        with suppress(BackendError):
            await self.leave()

    def _change(self, event: dict[str, Any]) -> Change | None:
        kind = event["operationType"]
        cursor = written(**self._place)
        key = event.get("documentKey", {}).get("_id")
        if kind in PUTS:
            document = event.get("fullDocument")
            # One that is gone by now: its delete is still to come.
            return None if document is None else Change("put", key, document, cursor)
        if kind == "delete":
            return Change("delete", key, None, cursor)
        return Change("drop", None, None, cursor) if kind == "drop" else None


class FieldWatch:
    """By asking, every `poll` seconds, for documents with at least a value seen a while ago.

    A writer may be late: it took its value before another one's that was seen already. So what
    was the highest value `overlap` seconds ago is asked for again, and those told since then are
    remembered, MOST_TOLD of them.
    """

    sees_deletes = False

    def __init__(self, collection: Collection, where: str, pace: Pace, field: str) -> None:
        self._collection = collection
        self._where = where
        self._pace = pace
        self._field = field
        self._low: Any = None
        self._highest: Any = None
        self._marks: deque[tuple[float, Any]] = deque()
        self._told: dict[bytes, Any] = {}

    async def enter(self, after: str | None) -> None:
        if after is not None:
            self._low = self._highest = read(after, "field")["field"]
            return
        async with translated(self._where, self._pace.timeout):
            known = self._collection.find({self._field: {"$exists": True}}, {self._field: 1})
            for document in await known.sort(self._field, -1).limit(1).to_list():
                self._low = self._highest = document[self._field]
            if self._highest is None:
                return
            same = self._collection.find({self._field: {"$eq": self._highest}}, {self._field: 1})
            async for document in same:
                self._note(document)

    async def leave(self) -> None: ...

    async def __aiter__(self) -> AsyncIterator[Change | Beat]:
        loop = asyncio.get_running_loop()
        silent = loop.time()
        start = self._low
        while True:
            batch = await patiently(partial(self._more, start))
            for document in batch:
                self._note(document)
                yield Change("put", document["_id"], document, written(field=self._low))
            self._advance(loop.time())
            start = self._highest if len(batch) == BATCH else self._low
            if batch:
                silent = loop.time()
                continue
            if loop.time() >= silent + self._pace.beat:
                yield Beat(written(field=self._low))
                silent = loop.time()
            await asyncio.sleep(min(self._pace.poll, self._pace.beat))

    async def _more(self, start: Any) -> list[dict[str, Any]]:
        """The next that were not told, lowest values first."""
        where = {"$exists": True} if start is None else {"$gte": start}
        found: list[dict[str, Any]] = []
        async with translated(self._where, self._pace.timeout):
            cursor = self._collection.find({self._field: where}, batch_size=BATCH)
            async for document in cursor.sort([(self._field, 1), ("_id", 1)]):
                if self._told.get(_name(document), self) == document[self._field]:
                    continue
                found.append(document)
                if len(found) == BATCH:
                    break
            await cursor.close()
        return found

    def _note(self, document: dict[str, Any]) -> None:
        value = document[self._field]
        if self._highest is None or value > self._highest:
            self._highest = value
        self._told[_name(document)] = value
        if len(self._told) > MOST_TOLD:
            self._marks.clear()
            self._forget_below(self._highest)
            if len(self._told) > MOST_TOLD:
                raise Refused(f"documents: more than {MOST_TOLD} have one value of {self._field}")

    def _advance(self, now: float) -> None:
        if self._highest is not None and (not self._marks or self._marks[-1][1] != self._highest):
            self._marks.append((now, self._highest))
        low = self._low
        while self._marks and self._marks[0][0] <= now - self._pace.overlap:
            low = self._marks.popleft()[1]
        if low != self._low:
            self._forget_below(low)

    def _forget_below(self, low: Any) -> None:
        self._low = low
        self._told = {name: value for name, value in self._told.items() if not value < low}


def _name(document: dict[str, Any]) -> bytes:
    return bson.encode({"k": document["_id"]})


class _NoToken(Exception):
    pass


async def patiently(step: Callable[[], Awaitable[Any]]) -> Any:
    """Again, more and more slowly, while the engine is away."""
    pause = FIRST_PAUSE
    while True:
        try:
            return await step()
        except BackendUnavailable:
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
