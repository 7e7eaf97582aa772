"""Search in OpenSearch, by its own client."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from typing import Any

from opensearchpy import AIOHttpConnection, AsyncOpenSearch
from opensearchpy.exceptions import ConnectionError as LostConnection
from opensearchpy.exceptions import OpenSearchException, SerializationError, TransportError

from backends.address import Address
from backends.search.lucene import LuceneSearch
from backends.search.lucene_link import BIG, Answered, Link, Lost, Options, kind_of, read

NEVER = 3600


class Connection(AIOHttpConnection):
    def __init__(self, *args: Any, opened: list[Connection], **kw: Any) -> None:
        super().__init__(*args, **kw)
        opened.append(self)

    async def perform_request(
        self, method: str, url: str, params: Any = None, body: Any = None, *args: Any, **kw: Any
    ) -> Any:
        if body and len(body) >= BIG:
            body = io.BytesIO(body)
        return await super().perform_request(method, url, params, body, *args, **kw)


class OpenSearchWire:
    def __init__(self, address: Address, options: Options) -> None:
        self._address = address
        self._options = options
        self._opening = asyncio.Lock()
        self._client: AsyncOpenSearch | None = None
        self._opened: list[Connection] = []

    async def call(
        self, method: str, path: str, body: bytes | None, params: Mapping[str, str], content: str
    ) -> Any:
        client = self._client or await self._open()
        try:
            return await client.transport.perform_request(
                method, path, params=dict(params), body=body, headers={"content-type": content}
            )
        except LostConnection as error:
            raise Lost(type(error).__name__) from None
        except SerializationError:
            raise Lost("an answer that is not JSON") from None
        except TransportError as error:
            said = error.info.get("error") if isinstance(error.info, dict) else None
            raise Answered(int(error.status_code), kind_of(said)) from None
        except OpenSearchException as error:
            raise Lost(type(error).__name__) from None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
        for connection in self._opened:  # the client forgets those it took for dead
            await connection.close()

    async def _open(self) -> AsyncOpenSearch:
        async with self._opening:
            if self._client is None:
                tls = self._address.tls
                context = await asyncio.to_thread(tls.context) if tls else None
                self._client = self._make(context)
            return self._client

    def _make(self, context: Any) -> AsyncOpenSearch:
        address = self._address
        about: dict[str, Any] = {}
        if address.username is not None:
            about["http_auth"] = (address.username, address.password or "")
        if context is not None:
            about |= {"use_ssl": True, "ssl_context": context}
        return AsyncOpenSearch(
            [
                {"host": host.name, "port": host.port, "url_prefix": address.path}
                for host in address.hosts
            ],
            connection_class=Connection,
            opened=self._opened,
            timeout=NEVER,  # whoever calls has a deadline for all of it
            pool_maxsize=self._options.connections,
            max_retries=len(address.hosts),  # of connections that turn out to be gone
            retry_on_status=(),
            retry_on_timeout=False,
            **about,
        )


def open_opensearch(url: str) -> LuceneSearch:
    """`opensearch://[user:password@]host[:9200][,host...]`; for options see `read`."""
    address, options = read(url)
    return LuceneSearch(Link(address, options, OpenSearchWire(address, options)))
