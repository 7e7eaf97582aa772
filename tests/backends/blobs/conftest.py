"""Engines of blobs, with a bucket or container to use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiobotocore.session import AioSession
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob.aio import ContainerClient

from tests.engines.azurite import ACCOUNT, KEY, Azurite
from tests.engines.minio import ACCESS_KEY, SECRET_KEY, Minio

BUCKET = "blobs"
made: set[str] = set()
"""Endpoints that have it: a client of S3 takes a while to make."""


@pytest.fixture(scope="session")
def minio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minio]:
    with Minio(tmp_path_factory.mktemp("minio")) as server:
        yield server


@pytest.fixture(scope="session")
def azurite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


async def bucket_of(server: Minio) -> str:
    """The URL of a bucket there, made if need be."""
    if server.endpoint in made:
        return server.url_of(BUCKET)
    made.add(server.endpoint)
    client = AioSession().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=server.endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    async with client as s3:
        with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            await s3.create_bucket(Bucket=BUCKET)
    return server.url_of(BUCKET)


async def container_of(server: Azurite) -> str:
    """The URL of a container there, made if need be."""
    if server.endpoint in made:
        return server.url_of(BUCKET)
    made.add(server.endpoint)
    credential = {"account_name": ACCOUNT, "account_key": KEY}
    async with ContainerClient(server.endpoint, BUCKET, credential=credential) as container:
        with suppress(ResourceExistsError):
            await container.create_container()
    return server.url_of(BUCKET)


@pytest.fixture
async def s3_url(minio_server: Minio) -> str:
    return await bucket_of(minio_server)


@pytest.fixture
async def azure_url(azurite_server: Azurite) -> str:
    return await container_of(azurite_server)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"
