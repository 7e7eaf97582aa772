"""How S3 is reached, and what its errors mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NotConnected

from backends.address import Address, seconds, size
from backends.blobs.blob import OutOfRange
from backends.errors import BackendError, BackendUnavailable, Conflict, Missing, Refused

ABSENT = {"NoSuchKey", "404"}
LOST = (NotConnected, HTTPClientError, IncompleteReadError, aiohttp.ClientError, OSError)
TRIES = 3
CONNECT_WITHIN = 3.0


@cache
def _descriptions() -> Any:
    """Of services, for all clients of the process: reading S3's takes a tenth of a second."""
    return AioSession().get_component("data_loader")


class Unsure(BackendUnavailable):
    """A conflict, perhaps with one's own first try."""


class Options(msgspec.Struct):
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    session_token: str | None = None
    prefix: str = ""
    part_size: str = "8MiB"
    parts: int = 16
    connections: int = 32
    timeout: str = "30s"
    path_style: bool | None = None


class S3Client:
    """Made when it is first asked for, in a thread: reading S3's description takes a while."""

    def __init__(self, address: Address, options: Options) -> None:
        self._address = address
        self._options = options
        self._timeout = seconds(options.timeout)
        self._making = asyncio.Lock()
        self._client: Any = None
        self._closed = False

    @asynccontextmanager
    async def call(self, *, extra: float = 0.0) -> AsyncIterator[Any]:
        """aiobotocore's client, for one request. extra: seconds, beyond the timeout.

        Raises BackendUnavailable, Missing, Conflict, Refused and OutOfRange, the last with size -1
        where the engine does not tell.
        """
        try:
            async with asyncio.timeout(self._timeout + extra):
                yield await self._made()
        except TimeoutError:
            raise BackendUnavailable(f"blobs: {self._address}: no answer in time") from None
        except ClientError as error:
            raise self._meaning(error) from None
        except LOST as error:
            name = type(error).__name__
            raise BackendUnavailable(f"blobs: {self._address}: {name}") from None
        except BotoCoreError as error:  # no credentials, no region, a name that fits no bucket
            raise Refused(f"blobs: {self._address}: {type(error).__name__}") from None
        except ValueError:
            raise Refused(f"blobs: {self._address}: the request is malformed") from None

    async def close(self) -> None:
        async with self._making:
            self._closed = True
            client, self._client = self._client, None
            if client is not None:
                await client.__aexit__(None, None, None)

    async def _made(self) -> Any:
        if self._client is None:
            async with self._making:
                if self._closed:
                    raise BackendUnavailable(f"blobs: {self._address} is closed")
                if self._client is None:
                    client = await asyncio.to_thread(lambda: asyncio.run(self._make()))
                    self._client = await client.__aenter__()
        return self._client

    async def _make(self) -> Any:
        given, tls = self._options, self._address.tls
        style = given.path_style if given.path_style is not None else given.endpoint is not None
        config = AioConfig(
            connect_timeout=CONNECT_WITHIN,
            read_timeout=self._timeout,
            max_pool_connections=given.connections,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            s3={"addressing_style": "path" if style else "auto"},
            client_cert=(tls.cert, tls.key) if tls and tls.cert and tls.key else None,
            request_checksum_calculation="when_required",  # sha256 is given with what is sent
            response_checksum_validation="when_required",  # and looked at by us
            signature_version="s3v4",
        )
        session = AioSession()
        session.register_component("data_loader", _descriptions())
        return await session._create_client(  # what create_client() awaits, as is
            "s3",
            region_name=given.region or ("us-east-1" if given.endpoint else None),
            endpoint_url=given.endpoint,
            aws_access_key_id=given.access_key,
            aws_secret_access_key=given.secret_key,
            aws_session_token=given.session_token,
            verify=tls.ca if tls and tls.ca else None,
            config=config,
        )

    def _meaning(self, error: ClientError) -> BackendError:
        about: dict[str, Any] = error.response.get("ResponseMetadata", {})
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(about.get("HTTPStatusCode", 0))
        where = f"blobs: {self._address}"
        if code in ABSENT:
            return Missing("blobs: there is no such blob")
        if status in (409, 412):
            if about.get("RetryAttempts"):  # perhaps with our own first try
                return Unsure(f"{where}: whether it was carried out is not known")
            return Conflict("blobs: there is a blob already, or it has changed")
        if status == 416:
            total = about.get("HTTPHeaders", {}).get("content-range", "").rpartition("/")[2]
            return OutOfRange(int(total) if total.isdigit() else -1)
        if (status >= 500 and "StorageFull" not in code) or code in ("SlowDown", "RequestTimeout"):
            return BackendUnavailable(f"{where}: {code or status}")
        return Refused(f"{where}: {code or status}")


def checked(address: Address) -> Options:
    """Raises BackendError."""
    options = address.options(Options)
    endpoint = options.endpoint
    if len(address.hosts) != 1 or address.path or address.username or address.hosts[0].port:
        raise BackendError("blobs: expected s3://bucket?option=value")
    if endpoint is not None and not (
        urlsplit(endpoint).scheme in ("http", "https")
        and urlsplit(endpoint).hostname
        and "@" not in urlsplit(endpoint).netloc
    ):
        raise BackendError("blobs: endpoint is a URL, https://host:port")
    if address.tls and endpoint is not None and urlsplit(endpoint).scheme != "https":
        raise BackendError("blobs: tls options need an https:// endpoint")
    if (options.access_key is None) != (options.secret_key is None):
        raise BackendError("blobs: access_key and secret_key go together")
    if options.secret_key is not None:
        # whoever forgot that + is a space in a query: no secret key has a space
        options.secret_key = options.secret_key.replace(" ", "+")
    try:
        fits = (
            5 << 20 <= size(options.part_size) <= 512 << 20
            and 0.1 <= seconds(options.timeout) <= 3600
        )
    except ValueError:
        fits = False
    if not fits or not 2 <= options.parts <= 1024 or not 1 <= options.connections <= 1024:
        raise BackendError(
            "blobs: part_size is 5MiB to 512MiB, timeout 100ms to 1h, "
            "parts 2 to 1024, connections 1 to 1024"
        )
    return options
