"""Documents in MongoDB's protocol, beside pymongo. Both acknowledge alike."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient, InsertOne

from backends.documents import DRIVERS, Insert
from benchmarks.backends import Row, server
from tests.engines.mongodb import MongoDB
from tests.engines.secantus import Secantus


def secantus(folder: Path) -> Secantus:
    return Secantus(folder, durable=False)  # else it is the disk that is measured


ENGINES = {"secantus": server(secantus), "mongo-java-server": server(MongoDB)}
COUNT = 500
MANY = 5000

Step = Callable[[int], Awaitable[object]]


async def measure(url: str) -> list[Row]:
    ours = DRIVERS.open(f"{url}?timeout=60s")
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        url, w="majority", journal=True, tz_aware=True
    )
    bare = client.db.bare
    text = "x" * 500

    async def find(_: int) -> None:
        async with aclosing(ours.find("ours", batch=500)) as batches:
            async for _batch in batches:
                pass

    async def bare_find(_: int) -> None:
        cursor = bare.find({}, batch_size=500)
        while await cursor.to_list(500):
            pass

    async def bulk(n: int) -> None:
        some = [Insert({"_id": f"b{n} {m}", "text": text}) for m in range(1000)]
        await ours.bulk("ours", some)

    async def bare_bulk(n: int) -> None:
        some = [InsertOne({"_id": f"b{n} {m}", "text": text}) for m in range(1000)]
        await bare.bulk_write(some)

    rows = [
        Row("insert", COUNT, *await beside(
            lambda n: ours.insert("ours", {"_id": n, "text": text}),
            lambda n: bare.insert_one({"_id": n, "text": text}), COUNT)),
        Row("get", COUNT, *await beside(
            lambda n: ours.get("ours", n), lambda n: bare.find_one({"_id": n}), COUNT)),
        Row("bulk, in thousands", MANY, *await beside(bulk, bare_bulk, MANY // 1000)),
        Row("find, in batches of 500", 3 * (MANY + COUNT), *await beside(find, bare_find, 3)),
    ]  # fmt: skip
    await client.close()
    await ours.close()
    return rows


async def beside(ours: Step, bare: Step, times: int) -> tuple[float, float]:
    """Seconds of each, taken in turns so that the machine's moods are shared."""
    spent = [0.0, 0.0]
    for n in range(times):
        for place, step in enumerate((ours, bare)):
            started = time.perf_counter()
            await step(n)
            spent[place] += time.perf_counter() - started
    return spent[0], spent[1]
