from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.session import AioSession

from backends.blobs import DRIVERS, Corrupt
from backends.errors import BackendError, Refused
from tests.backends.blobs.conftest import BUCKET, bucket_of
from tests.backends.blobs.engine_faults import EngineFaults
from tests.conformance.blobs import broken, noise, read
from tests.engines.minio import ACCESS_KEY, SECRET_KEY, Minio


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Minio]:
    with Minio(tmp_path / "minio") as server:
        yield server


@pytest.fixture
async def url(engine: Minio) -> str:
    return await bucket_of(engine)


@pytest.fixture
def healthy(s3_url: str) -> str:
    return s3_url


class TestMinio(EngineFaults):
    SECRET = SECRET_KEY


@asynccontextmanager
async def bare(server: Minio) -> Any:
    client = AioSession().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=server.endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    async with client as s3:
        yield s3


class TestObjects:
    async def test_of_somebody_else_have_no_sha256(self, minio_server: Minio, s3_url: str) -> None:
        blobs = DRIVERS.open(s3_url)
        async with bare(minio_server) as s3:
            await s3.put_object(Bucket=BUCKET, Key="theirs", Body=b"hello")
            await s3.put_object(Bucket=BUCKET, Key="theirs-folder/", Body=b"")
        assert (await blobs.head("theirs")).sha256 is None
        assert await read(blobs, "theirs") == b"hello"
        assert [item.key for item in (await blobs.list("theirs")).items] == ["theirs"]
        await blobs.close()

    async def test_that_are_not_what_was_put_are_told_before_their_end(
        self, minio_server: Minio, s3_url: str
    ) -> None:
        blobs = DRIVERS.open(s3_url)
        promised = (await blobs.put("good", b"other")).sha256
        async with bare(minio_server) as s3:
            about = {"Metadata": {"sha256": promised}}
            await s3.put_object(Bucket=BUCKET, Key="bad", Body=noise, **about)
        got = []
        with pytest.raises(Corrupt):
            async with blobs.get("bad") as reading:
                got += [len(chunk) async for chunk in reading]
        assert sum(got) < len(noise)
        await blobs.close()

    async def test_in_parts_that_fail_leave_no_parts(
        self, minio_server: Minio, s3_url: str
    ) -> None:
        blobs = DRIVERS.open(f"{s3_url}&part_size=5MiB")
        with pytest.raises(ZeroDivisionError):
            await blobs.put("parts", broken(noise))
        putting = asyncio.create_task(blobs.put("parts", noise))
        await asyncio.sleep(0.02)
        putting.cancel()
        await asyncio.wait([putting])
        async with bare(minio_server) as s3:
            left = await s3.list_multipart_uploads(Bucket=BUCKET, Prefix="parts")
        assert left.get("Uploads", []) == []
        await blobs.close()


@pytest.mark.parametrize(
    "url",
    [
        *("s3://", "s3://a/b", "s3://a:80", "s3://u:p@a", "s3://a,b", "s3://a?endpoint=x"),
        *("s3://a?access_key=x", "s3://a?part_size=1MiB", "s3://a?part_size=many", "s3://a?x=y"),
        *("s3://a?timeout=0s", "s3://a?parts=1", "s3://a?endpoint=http://b&tls=true"),
        "s3://a?endpoint=https://u:p@b",
        "s3://a?prefix=%00",
    ],
)
def test_a_url_that_does_not_fit_is_refused_when_opened(url: str) -> None:
    with pytest.raises(BackendError):
        DRIVERS.open(url)


async def test_a_prefix_is_part_of_the_key_that_s3_bounds(s3_url: str) -> None:
    blobs = DRIVERS.open(f"{s3_url}&prefix=p/")
    longest = "/".join(["k" * 200] * 5)
    assert (await blobs.put(longest + "k" * (1022 - len(longest)), b"")).size == 0
    with pytest.raises(Refused):
        await blobs.put(longest + "k" * (1023 - len(longest)), b"")
    await blobs.close()
