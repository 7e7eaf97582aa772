"""How Azure's blobs are reached, and what their errors mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob.aio import ContainerClient, ExponentialRetry

from backends.address import Address, seconds, size
from backends.blobs.blob import OutOfRange
from backends.errors import BackendError, BackendUnavailable, Conflict, Missing, Refused

CHUNK = 1 << 20
CONNECT_WITHIN = 3.0
GONE = {"BlobNotFound", "ResourceNotFound"}
CHANGED = {"ConditionNotMet", "BlobAlreadyExists", "InvalidBlockList", "TargetConditionNotMet"}


class Options(msgspec.Struct):
    account: str
    key: str
    endpoint: str | None = None
    prefix: str = ""
    part_size: str = "4MiB"
    parts: int = 16
    timeout: str = "30s"


class Sendable(BytesIO):
    """Bytes that aiohttp writes a little at a time. It closes what it has sent, and the SDK's
    second try would find it so."""

    def close(self) -> None:
        """Not yet."""


class AzureClient:
    """The container's client, made when it is first asked for."""

    def __init__(self, address: Address, options: Options) -> None:
        self._address = address
        self._options = options
        self._timeout = seconds(options.timeout)
        self._container: ContainerClient | None = None
        self._closed = False

    @property
    def url(self) -> str:
        """Of the account."""
        account = f"https://{self._options.account}.blob.core.windows.net"
        return (self._options.endpoint or account).rstrip("/")

    @asynccontextmanager
    async def call(self, *, extra: float = 0.0) -> AsyncIterator[ContainerClient]:
        """For one request. extra: seconds, beyond the timeout.

        Raises BackendUnavailable, Missing, Conflict, Refused, and OutOfRange with size -1.
        """
        try:
            async with asyncio.timeout(self._timeout + extra):
                yield self._made()
        except TimeoutError:
            raise BackendUnavailable(f"blobs: {self._address}: no answer in time") from None
        except HttpResponseError as error:
            raise self._meaning(error) from None
        except (AzureError, aiohttp.ClientError, OSError) as error:
            name = type(error).__name__
            raise BackendUnavailable(f"blobs: {self._address}: {name}") from None
        except ValueError:
            raise Refused(f"blobs: {self._address}: the request is malformed") from None

    async def close(self) -> None:
        self._closed = True
        container, self._container = self._container, None
        if container is not None:
            await container.close()

    def _made(self) -> ContainerClient:
        if self._closed:
            raise BackendUnavailable(f"blobs: {self._address} is closed")
        if self._container is None:
            given, tls = self._options, self._address.tls
            secured: dict[str, Any] = {}
            if tls and tls.ca:
                secured["connection_verify"] = tls.ca
            if tls and tls.cert:
                secured["connection_cert"] = (tls.cert, tls.key) if tls.key else tls.cert
            self._container = ContainerClient(
                self.url,
                self._address.hosts[0].name,
                credential={"account_name": given.account, "account_key": given.key},
                retry_policy=ExponentialRetry(
                    initial_backoff=0, increment_base=2, retry_total=2, random_jitter_range=1
                ),
                connection_timeout=CONNECT_WITHIN,
                read_timeout=self._timeout,
                max_single_put_size=512 << 20,
                max_single_get_size=CHUNK,
                max_chunk_get_size=CHUNK,
                logging_enable=False,
                **secured,
            )
        return self._container

    def _meaning(self, error: HttpResponseError) -> BackendError:
        status = error.status_code or 0
        code = getattr(error, "error_code", None) or ""
        code = str(getattr(code, "value", code))
        where = f"blobs: {self._address}"
        if status == 404 and (code in GONE or not code):
            return Missing("blobs: there is no such blob")
        if code in CHANGED or status in (409, 412):
            return Conflict("blobs: there is a blob already, or it has changed")
        if status == 416:
            return OutOfRange(-1)
        if status >= 500 or not status:
            return BackendUnavailable(f"{where}: {code or status or type(error).__name__}")
        return Refused(f"{where}: {code or status}")


def checked(address: Address) -> Options:
    """Raises BackendError."""
    options = address.options(Options)
    if len(address.hosts) != 1 or address.path or address.username or address.hosts[0].port:
        raise BackendError("blobs: expected azure://container?option=value")
    if (endpoint := options.endpoint) is not None and not (
        urlsplit(endpoint).scheme in ("http", "https")
        and urlsplit(endpoint).hostname
        and "@" not in urlsplit(endpoint).netloc
    ):
        raise BackendError("blobs: endpoint is a URL, https://host:port")
    if address.tls and endpoint is not None and urlsplit(endpoint).scheme != "https":
        raise BackendError("blobs: tls options need an https:// endpoint")
    # whoever forgot that + is a space in a query: no key has a space
    options.key = options.key.replace(" ", "+")
    try:
        fits = (
            64 << 10 <= size(options.part_size) <= 512 << 20
            and 0.1 <= seconds(options.timeout) <= 3600
        )
    except ValueError:
        fits = False
    if not fits or not 2 <= options.parts <= 1024:
        raise BackendError(
            "blobs: part_size is 64KiB to 512MiB, timeout 100ms to 1h, parts 2 to 1024"
        )
    return options
