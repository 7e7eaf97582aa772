"""Drivers of blobs beside aiobotocore, azure-storage-blob, and files written as durably."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from aiobotocore.session import AioSession
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob.aio import ContainerClient

from backends.address import Address
from backends.blobs import DRIVERS, Blobs
from benchmarks.backends import Row, Start, embedded
from tests.engines.azurite import Azurite
from tests.engines.engine import Engine
from tests.engines.minio import Minio

SMALL = secrets.token_bytes(10_000)
LARGE = secrets.token_bytes(32 << 20)
ROUNDS = 5

Call = Callable[[int], Awaitable[object]]


class Client(Protocol):
    async def put(self, name: str, body: bytes) -> object: ...
    async def get(self, name: str) -> object: ...
    async def head(self, name: str) -> object: ...


def server(kind: Callable[[Path], Engine]) -> Start:
    @contextmanager
    def start(folder: Path) -> Iterator[str]:
        with kind(folder) as engine:
            assert isinstance(engine, Minio | Azurite)
            yield engine.url_of("blobs")

    return start


ENGINES = {
    "file": embedded("file:///{folder}/blobs"),
    "minio": server(Minio),
    "azurite": server(Azurite),
}


async def beside(name: str, operations: int, at_once: int, ours: Call, bare: Call) -> Row:
    """Medians of rounds that take turns."""

    async def timed(call: Call) -> float:
        async def some(first: int) -> None:
            for number in range(first, operations, at_once):
                await call(number)

        begun = time.perf_counter()
        await asyncio.gather(*[some(first) for first in range(at_once)])
        return time.perf_counter() - begun

    both = [(await timed(ours), await timed(bare)) for _ in range(ROUNDS)]
    return Row(name, operations, median(one for one, _ in both), median(two for _, two in both))


async def measure(url: str) -> list[Row]:
    async with AsyncExitStack() as stack:
        client = await bare_client(url, stack)
        blobs = DRIVERS.open(url)
        stack.push_async_callback(blobs.close)
        await blobs.check()

        async def put(number: int) -> None:
            await blobs.put(f"ours/{number % 50}", SMALL)

        async def put_large(number: int) -> None:
            await blobs.put("ours/large", stream())

        rows = []
        for name, operations, at_once, ours, bare in [
            ("put 10 kB", 200, 1, put, lambda n: client.put(f"bare/{n % 50}", SMALL)),
            ("put 10 kB", 200, 8, put, lambda n: client.put(f"bare/{n % 50}", SMALL)),
            ("head", 300, 1, lambda n: blobs.head("ours/1"), lambda n: client.head("bare/1")),
            ("get 10 kB", 300, 1, lambda n: got(blobs, "ours/1"), lambda n: client.get("bare/1")),
            ("get 10 kB", 300, 8, lambda n: got(blobs, "ours/1"), lambda n: client.get("bare/1")),
            ("put 32 MiB", 3, 1, put_large, lambda n: client.put("bare/large", LARGE)),
            (
                *("get 32 MiB", 3, 1, lambda n: got(blobs, "ours/large")),
                lambda n: client.get("bare/large"),
            ),
        ]:
            rows.append(await beside(f"{name}, {at_once} at once", operations, at_once, ours, bare))
        return rows


async def stream() -> AsyncIterator[bytes]:
    for at in range(0, len(LARGE), 1 << 16):
        yield LARGE[at : at + (1 << 16)]


async def got(blobs: Blobs, key: str) -> int:
    async with blobs.get(key) as reading:
        return sum([len(chunk) async for chunk in reading])


async def bare_client(url: str, stack: AsyncExitStack) -> Client:
    address = Address.parse("blobs", url)
    if address.scheme == "file":
        return Files(Path(address.path).with_name("bare"))
    given, bucket = address.query, address.hosts[0].name
    if address.scheme == "s3":
        client = AioSession().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=given["endpoint"],
            aws_access_key_id=given["access_key"],
            aws_secret_access_key=given["secret_key"],
        )
        s3 = await stack.enter_async_context(client)
        await s3.create_bucket(Bucket=bucket)
        return S3(s3, bucket)
    credential = {"account_name": given["account"], "account_key": given["key"]}
    container = ContainerClient(given["endpoint"], bucket, credential=credential)
    await stack.enter_async_context(container)
    with suppress(ResourceExistsError):
        await container.create_container()
    return Azure(container)


class Files:
    """Written aside, synced, renamed, and the folder synced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, body: bytes) -> object:
        return await asyncio.to_thread(self._put, self._folder / name, body)

    async def get(self, name: str) -> object:
        return await asyncio.to_thread((self._folder / name).read_bytes)

    async def head(self, name: str) -> object:
        return await asyncio.to_thread((self._folder / name).stat)

    def _put(self, path: Path, body: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(secrets.token_hex(8))
        with aside.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


class S3:
    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    async def put(self, name: str, body: bytes) -> object:
        return await self._client.put_object(Bucket=self._bucket, Key=name, Body=body)

    async def get(self, name: str) -> object:
        answer = await self._client.get_object(Bucket=self._bucket, Key=name)
        async with answer["Body"] as body:
            return await body.read()

    async def head(self, name: str) -> object:
        return await self._client.head_object(Bucket=self._bucket, Key=name)


class Azure:
    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    async def put(self, name: str, body: bytes) -> object:
        return await self._container.upload_blob(name, body, overwrite=True)

    async def get(self, name: str) -> object:
        return await (await self._container.download_blob(name)).readall()

    async def head(self, name: str) -> object:
        return await self._container.get_blob_client(name).get_blob_properties()
