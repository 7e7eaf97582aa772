"""Documents in MongoDB, by pymongo's own asynchronous client."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from pymongo import (
    AsyncMongoClient,
)
from pymongo.errors import BulkWriteError, ConfigurationError, DuplicateKeyError, OperationFailure

from backends.address import Address, seconds
from backends.documents import (
    Delete,
    Document,
    Done,
    Failure,
    Operation,
    Update,
    Watch,
)
from backends.documents.mongodb_client import Options, client_of
from backends.documents.mongodb_errors import NO_STREAMS, translated
from backends.documents.mongodb_operations import change_of, checked, key_of, kind_of, operation_of
from backends.documents.mongodb_watch import Collection, FieldWatch, Pace, StreamWatch
from backends.errors import BackendError, Missing, Refused

PORT = 27017
AT_ONCE = 1000


class MongoDB:
    """Writes are acknowledged by most servers of a replica set, from their journals.

    A write that meets a change of the primary is repeated once by pymongo where the server tells
    repetitions (replica sets do), so that it is carried out once.
    """

    def __init__(self, address: Address, options: Options) -> None:
        self._address = address
        self._options = options
        self._timeout = seconds(options.timeout)
        rest = (options.beat, options.poll, options.overlap)
        self._pace = Pace(self._timeout, *map(seconds, rest))
        self._where = f"{address.scheme}://{','.join(map(str, address.hosts))}"
        self._client: AsyncMongoClient[dict[str, Any]] | None = None
        self._closed = False

    async def get(self, collection: str, key: Any) -> Document:
        async with self._call():
            found = await self._collection(collection).find_one({"_id": {"$eq": key}})
        if found is None:
            raise Missing(f"documents: there is no such document in {collection}")
        return found

    async def find(
        self,
        collection: str,
        where: Document | None = None,
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, bool]] = (),
        limit: int = 0,
        batch: int = 500,
    ) -> AsyncGenerator[Sequence[Document], None]:
        good = checked(where or {})
        if batch < 1 or limit < 0:
            raise Refused("documents: a batch is 1 or more, a limit 0 or more")
        async with self._call():
            cursor = self._collection(collection).find(
                good,
                None if fields is None else {"_id": 1, **dict.fromkeys(fields, 1)},
                sort=[(name, -1 if down else 1) for name, down in sort] or None,
                limit=limit,
                batch_size=batch,
            )
        try:
            while True:
                async with self._call():
                    found = await cursor.to_list(batch)
                if not found:
                    return
                yield found
        finally:
            with suppress(BackendError):
                async with self._call():
                    await cursor.close()

    async def count(self, collection: str, where: Document | None = None) -> int:
        good = checked(where or {})
        async with self._call():
            return await self._collection(collection).count_documents(good)

    async def insert(self, collection: str, document: Document) -> Any:
        async with self._call():
            return (await self._collection(collection).insert_one(dict(document))).inserted_id

    async def replace(self, collection: str, document: Document) -> bool:
        by_key = {"_id": {"$eq": key_of(document)}}
        async with self._call():
            into = self._collection(collection)
            try:
                done = await into.replace_one(by_key, document, upsert=True)
            except DuplicateKeyError:  # somebody made it at the same moment
                done = await into.replace_one(by_key, document, upsert=True)
        return not done.matched_count

    async def update(self, collection: str, update: Update) -> int:
        where, change = checked(update.where), change_of(update.change)
        async with self._call():
            into = self._collection(collection)
            way = into.update_many if update.many else into.update_one
            done = await way(where, change, upsert=update.upsert)
        return done.matched_count or int(done.did_upsert)

    async def delete(self, collection: str, delete: Delete) -> int:
        where = checked(delete.where)
        async with self._call():
            among = self._collection(collection)
            way = among.delete_many if delete.many else among.delete_one
            return (await way(where)).deleted_count

    async def bulk(
        self, collection: str, operations: Sequence[Operation], *, ordered: bool = True
    ) -> Done:
        self._collection(collection)
        asked = [operation_of(each) for each in operations]
        made = matched = deleted = 0
        failures: list[Failure] = []
        for start in range(0, len(asked), AT_ONCE):
            said = await self._some(collection, asked[start : start + AT_ONCE], ordered)
            made += said["nInserted"] + said["nUpserted"]
            matched += said["nMatched"]
            deleted += said["nRemoved"]
            failures += [
                Failure(start + error["index"], kind_of(error["code"]), error["code"])
                for error in said["writeErrors"]
            ]
            if ordered and failures:
                break
        return Done(made, matched, deleted, failures)

    async def _some(self, collection: str, asked: list[Any], ordered: bool) -> Mapping[str, Any]:
        async with self._call():
            try:
                done = await self._collection(collection).bulk_write(asked, ordered=ordered)
            except BulkWriteError as error:
                if error.details["writeConcernErrors"]:
                    raise
                return error.details
            return done.bulk_api_result

    @asynccontextmanager
    async def watch(
        self, collection: str, *, after: str | None = None, field: str | None = None
    ) -> AsyncIterator[Watch]:
        place = self._collection(collection)
        watch: StreamWatch | FieldWatch
        if await self._streams(collection):
            watch = StreamWatch(place, self._where, self._pace)
        elif field is not None:
            watch = FieldWatch(place, self._where, self._pace, field)
        else:
            raise Refused(f"documents: {self._where} has no change streams, and no field is named")
        await watch.enter(after)
        try:
            yield watch
        finally:
            await watch.leave()

    async def _streams(self, collection: str) -> bool:
        """Whether the server has change streams: replica sets and sharded clusters may have."""
        if self._options.watch != "auto":
            return self._options.watch == "stream"
        async with self._call():
            client = self._opened()
            await client.admin.command("ping")
            servers = client.topology_description.server_descriptions().values()
            if all(server.server_type_name == "Standalone" for server in servers):
                return False
            try:
                async with await self._collection(collection).watch(max_await_time_ms=1):
                    return True
            except OperationFailure as error:
                if error.code in NO_STREAMS:
                    return False
                raise

    async def check(self) -> None:
        async with self._call():
            await self._opened().admin.command("ping")

    async def close(self) -> None:
        self._closed = True
        if self._client is not None:
            client, self._client = self._client, None
            with suppress(BackendError):  # pymongo waits for its monitors, however long they take
                async with self._call():
                    await client.close()

    @asynccontextmanager
    async def _call(self) -> AsyncIterator[None]:
        async with translated(self._where, self._timeout):
            yield

    def _collection(self, name: str) -> Collection:
        good = 0 < len(name.encode(errors="replace")) <= 200
        if not good or "$" in name or "\0" in name or name.startswith(("system.", ".")):
            raise Refused("documents: this is no name for a collection")
        return self._opened()[self._address.path][name]

    def _opened(self) -> AsyncMongoClient[dict[str, Any]]:
        if self._closed:
            raise BackendError("documents: the driver is closed")
        if self._client is None:
            try:
                self._client = client_of(self._address, self._options, self._timeout)
            except (ConfigurationError, OSError, ValueError):
                said = "the host, tls_ca or tls_cert is none that can be used"
                raise BackendError(f"documents: {self._where}: {said}") from None
        return self._client


def open_mongodb(url: str) -> MongoDB:
    """`mongodb://[user:password@]host[:27017][,host...]/database`, `mongodb+srv://host/database`.

    timeout: of one call. pool: connections to each host. replica_set, auth_source, direct: as
    MongoDB's own replicaSet, authSource and directConnection. watch: `stream` or `field` when the
    server is not to be asked whether it has change streams. poll: between two questions when
    watching by a field. overlap: how late a writer may be there, who took a lower value of the
    field. beat: of a watch in which nothing happens. tls_cert holds the key too.
    Raises BackendError.
    """
    address = Address.parse("documents", url, port=PORT, secure=("mongodb+srv",))
    options = address.options(Options)
    if not address.hosts or not address.path or any(sign in address.path for sign in '/\\. "$\0'):
        raise BackendError(f"documents: a URL is {address.scheme}://host:{PORT}/database")
    if address.tls and address.tls.key:
        raise BackendError("documents: tls_cert is a PEM file of certificate and key; no tls_key")
    given = (options.timeout, options.poll, options.beat, options.overlap)
    try:
        good = all(seconds(each) > 0 for each in given)
    except ValueError:
        good = False
    if not good or not 1 <= options.pool <= 1000:
        raise BackendError("documents: durations are such as 5s, pool is 1 to 1000")
    return MongoDB(address, options)
