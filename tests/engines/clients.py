"""One word written to each engine and read again, by the client library that its driver uses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import asyncpg
import nats as nats_client
from aiobotocore.session import get_session
from azure.storage.blob.aio import BlobServiceClient
from pymongo import AsyncMongoClient
from redis.asyncio import Redis as RedisClient
from redis.asyncio import RedisCluster as RedisClusterClient
from redis.asyncio import Sentinel

from tests.engines.azurite import ACCOUNT, KEY, Azurite
from tests.engines.engine import HOST, Engine
from tests.engines.minio import Minio
from tests.engines.mongodb import MongoDB
from tests.engines.nats import Nats
from tests.engines.postgres import Postgres
from tests.engines.redis import Redis, RedisCluster, RedisSentinel

WORD = "kept"


async def to_postgres(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE TABLE words AS SELECT '{WORD}' AS word")
    await connection.close()


async def of_postgres(url: str) -> str:
    connection = await asyncpg.connect(url)
    word = await connection.fetchval("SELECT word FROM words")
    await connection.close()
    return str(word)


async def to_redis(url: str) -> None:
    async with RedisClient.from_url(url) as client:
        await client.set("word", WORD)


async def of_redis(url: str) -> str:
    async with RedisClient.from_url(url, decode_responses=True) as client:
        return str(await client.get("word"))


async def to_cluster(url: str) -> None:
    async with cluster(url) as client:
        for number in range(30):  # some on each node
            await client.set(f"word{number}", WORD)


async def of_cluster(url: str) -> str:
    async with cluster(url) as client:
        words = {await client.get(f"word{number}") for number in range(30)}
        return str(words.pop()) if len(words) == 1 else ""


def cluster(url: str) -> RedisClusterClient:
    return RedisClusterClient.from_url(url.replace("redis+cluster", "redis"), decode_responses=True)


async def to_sentinel(url: str) -> None:
    async with primary(url) as client:
        await client.set("word", WORD)
        assert await client.wait(1, 5000) == 1  # for the replica to have it


async def of_sentinel(url: str) -> str:
    async with primary(url) as client:
        return str(await client.get("word"))


@asynccontextmanager
async def primary(url: str) -> AsyncIterator[RedisClient]:
    port, group = urlsplit(url).port, urlsplit(url).path.strip("/")
    sentinel = Sentinel([(HOST, port)])  # type: ignore[no-untyped-call]  # redis has it so
    client: RedisClient = sentinel.master_for(group, decode_responses=True)
    async with client:
        yield client
    for asked in sentinel.sentinels:
        await asked.aclose()


async def to_nats(url: str) -> None:
    client = await nats_client.connect(url)
    stream = client.jetstream()
    await stream.add_stream(name="words", subjects=["word"])
    await stream.publish("word", WORD.encode())
    await client.close()


async def of_nats(url: str) -> str:
    client = await nats_client.connect(url, allow_reconnect=False)
    message = await client.jetstream().get_last_msg("words", "word")
    await client.close()
    return (message.data or b"").decode()


async def to_s3(url: str) -> None:
    async with s3(url) as client:
        await client.create_bucket(Bucket="bucket")
        await client.put_object(Bucket="bucket", Key="word", Body=WORD.encode())


async def of_s3(url: str) -> str:
    async with s3(url) as client:
        answer = await client.get_object(Bucket="bucket", Key="word")
        async with answer["Body"] as body:
            return bytes(await body.read()).decode()


def s3(url: str):  # type: ignore[no-untyped-def]  # aiobotocore has no types
    query = parse_qs(urlsplit(url).query)
    return get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=query["endpoint"][0],
        aws_access_key_id=query["access_key"][0],
        aws_secret_access_key=query["secret_key"][0],
    )


async def to_azure(url: str) -> None:
    async with azure(url) as client:
        container = await client.create_container("container")
        await container.upload_blob("word", WORD.encode())


async def of_azure(url: str) -> str:
    async with azure(url) as client:
        blob = await client.get_blob_client("container", "word").download_blob()
        return (await blob.readall()).decode()


def azure(url: str) -> BlobServiceClient:
    endpoint = parse_qs(urlsplit(url).query)["endpoint"][0]
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    return BlobServiceClient(endpoint, credential=credential, retry_total=0)


async def to_mongodb(url: str) -> None:
    async with AsyncMongoClient[dict[str, str]](url) as client:
        await client["db"]["words"].insert_one({"word": WORD})


async def of_mongodb(url: str) -> str:
    async with AsyncMongoClient[dict[str, str]](url) as client:
        found = await client["db"]["words"].find_one()
        return found["word"] if found else ""


class Client(NamedTuple):
    engine: Callable[[Path], Engine]
    write: Callable[[str], Awaitable[None]]
    read: Callable[[str], Awaitable[str]]


# Those of Java that take long to start are killed, paused and started in their drivers' tests.
CLIENTS = {
    "postgres": Client(Postgres, to_postgres, of_postgres),
    "redis": Client(Redis, to_redis, of_redis),
    "redis-cluster": Client(RedisCluster, to_cluster, of_cluster),
    "redis-sentinel": Client(RedisSentinel, to_sentinel, of_sentinel),
    "nats": Client(Nats, to_nats, of_nats),
    "minio": Client(Minio, to_s3, of_s3),
    "azurite": Client(Azurite, to_azure, of_azure),
    "mongodb": Client(MongoDB, to_mongodb, of_mongodb),
}
