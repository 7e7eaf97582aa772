"""Search: documents put in hundreds, and pages asked for one after the other.

The bare clients do the same work: they store the document, index its words, and read a page with
how many match.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import aiosqlite
from elasticsearch import AsyncElasticsearch
from opensearchpy import AsyncOpenSearch

from backends.search import DRIVERS, Document, Eq, Field, Index, Query, Search
from backends.search.index import entry
from backends.search.lucene_query import asked, mapping, source
from benchmarks.backends import Row, embedded, server
from tests.engines.searching import Elasticsearch, OpenSearch

ENGINES = {
    "sqlite": embedded("sqlite:///{folder}/search.db"),
    "elasticsearch": server(Elasticsearch),
    "opensearch": server(OpenSearch),
}
INDEX = Index(
    "bench",
    1,
    {"title": Field("text", weight=3.0), "body": Field("text"), "kind": Field("keyword"),
     "price": Field("number")},
)  # fmt: skip
COUNT = 4000
BATCH = 100
PAGES = 400

Step = Callable[[Any], Awaitable[object]]


def documents() -> list[Document]:
    chance = random.Random(1)  # noqa: S311 - the same each time
    words = [f"word{n}" for n in range(5000)]

    def text(most: int) -> str:
        return " ".join(words[int(4999 * chance.random() ** 3)] for _ in range(most))

    return [
        Document(
            str(n), {"title": text(6), "body": text(120), "kind": f"k{n % 9}", "price": n % 100}
        )
        for n in range(COUNT)
    ]


def queries() -> list[Query]:
    chance = random.Random(2)  # noqa: S311 - the same each time
    return [
        Query(f"word{chance.randrange(300)} word{chance.randrange(50)}", where=Eq("kind", "k3"))
        for _ in range(PAGES)
    ]


async def measure(url: str) -> list[Row]:
    search = DRIVERS.open(url)
    await search.ensure(INDEX)
    bare = await (BareSqlite if url.startswith("sqlite") else BareLucene).open(url)
    batches = [documents()[start : start + BATCH] for start in range(0, COUNT, BATCH)]
    rows = [
        Row(
            "put, in hundreds",
            COUNT,
            *(await beside(lambda some: search.put(INDEX, some), bare.put, batches)),
        )
    ]
    await search.put(INDEX, [], refresh=True)
    await bare.refresh()
    asked_for = queries()
    rows.append(
        Row(
            "query, a page of 20",
            PAGES,
            *(await beside(lambda query: search.query(INDEX, query), bare.query, asked_for)),
        )
    )
    await _same(search, bare, asked_for)
    await bare.close()
    await search.close()
    return rows


async def beside(ours: Step, bare: Step, work: list[Any]) -> tuple[float, float]:
    """Seconds of each, taken in turns so that the machine's moods are shared."""
    spent = [0.0, 0.0]
    for part in work:
        for place, step in enumerate((ours, bare)):
            started = time.perf_counter()
            await step(part)
            spent[place] += time.perf_counter() - started
    return spent[0], spent[1]


async def _same(search: Search, bare: Any, asked_for: list[Query]) -> None:
    """That both found the same number."""
    for query in asked_for[:20]:
        if (await search.query(INDEX, query)).total != await bare.query(query):
            raise AssertionError("the bare client does other work")


class BareSqlite:
    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, url: str) -> BareSqlite:
        connection = await aiosqlite.connect(f"{urlsplit(url).path[1:]}.bare", isolation_level=None)
        await connection.execute("PRAGMA journal_mode = WAL")
        await connection.execute("PRAGMA synchronous = NORMAL")
        await connection.execute(
            "CREATE TABLE d (doc INTEGER PRIMARY KEY, id TEXT UNIQUE, stored BLOB, kind TEXT,"
            " price REAL)"
        )
        await connection.execute("CREATE INDEX d_kind ON d (kind, id)")
        await connection.execute("CREATE INDEX d_price ON d (price, id)")
        await connection.execute("CREATE VIRTUAL TABLE f USING fts5 (title, body)")
        return cls(connection)

    async def put(self, some: list[Document]) -> None:
        await self._connection.execute("BEGIN IMMEDIATE")
        rows: list[tuple[Any, ...]] = [
            (int(one.id), one.id, json.dumps(one.fields), one.fields["kind"], one.fields["price"])
            for one in some
        ]
        await self._connection.executemany("INSERT OR REPLACE INTO d VALUES (?, ?, ?, ?, ?)", rows)
        texts = [(int(one.id), one.fields["title"], one.fields["body"]) for one in some]
        await self._connection.executemany(
            "INSERT OR REPLACE INTO f (rowid, title, body) VALUES (?, ?, ?)", texts
        )
        await self._connection.execute("COMMIT")

    async def refresh(self) -> None: ...

    async def query(self, query: Query) -> int:
        values = (query.text, "k3")
        found = await self._connection.execute_fetchall(
            "SELECT d.id, d.stored, bm25(f, 3.0, 1.0) AS score FROM f JOIN d ON d.doc = f.rowid"
            " WHERE f MATCH ? AND d.kind = ? ORDER BY score, d.id LIMIT 20",
            values,
        )
        for _, stored, _ in found:
            json.loads(stored)
        ((total,),) = await self._connection.execute_fetchall(
            "SELECT count(*) FROM f JOIN d ON d.doc = f.rowid WHERE f MATCH ? AND d.kind = ?",
            values,
        )
        return int(total)

    async def close(self) -> None:
        await self._connection.close()


class BareLucene:
    def __init__(self, client: Any, by_name: bool) -> None:
        self._client = client
        self._by_name = by_name

    @classmethod
    async def open(cls, url: str) -> BareLucene:
        place = url.split("://")[1]
        by_name = url.startswith("elasticsearch")
        client: Any = (AsyncElasticsearch if by_name else AsyncOpenSearch)(f"http://{place}")
        body = {"mappings": mapping(INDEX, filled=True)}
        with suppress(Exception):
            await client.indices.delete(index="bare")
        about = body if by_name else {"body": body}
        await client.indices.create(index="bare", **about)
        return cls(client, by_name)

    async def put(self, some: list[Document]) -> None:
        lines: list[Any] = []
        for one in some:
            lines += [{"index": {"_id": one.id}}, source(entry(INDEX, one))]
        if self._by_name:
            await self._client.bulk(index="bare", operations=lines)
        else:
            await self._client.bulk(index="bare", body=lines)

    async def refresh(self) -> None:
        await self._client.indices.refresh(index="bare")

    async def query(self, query: Query) -> int:
        body = asked(INDEX, query)
        if self._by_name:
            body["source"] = body.pop("_source")
            found = await self._client.search(index="bare", **body)
        else:
            found = await self._client.search(index="bare", body=body)
        return int(found["hits"]["total"]["value"])

    async def close(self) -> None:
        await self._client.close()
