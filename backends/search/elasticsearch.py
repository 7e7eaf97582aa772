"""Search in Elasticsearch, by its own client."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from typing import Any

from elastic_transport import (
    AiohttpHttpNode,
    ConnectionTimeout,
    OrjsonSerializer,
    SerializationError,
    TransportError,
)
from elasticsearch import ApiError, AsyncElasticsearch, UnsupportedProductError

from backends.address import Address
from backends.search.lucene import LuceneSearch
from backends.search.lucene_link import (
    BIG,
    JSON,
    LINES,
    Answered,
    Link,
    Lost,
    Options,
    kind_of,
    read,
)

# As servers of version 8 and 9 take it; the client's own way is version 9 alone.
SPOKEN = {
    JSON: "application/vnd.elasticsearch+json; compatible-with=8",
    LINES: "application/vnd.elasticsearch+x-ndjson; compatible-with=8",
}


class Body(io.BytesIO):
    def decode(self, *_: str) -> str:
        """For the client's debug log, which wants bytes."""
        return "..."


class Node(AiohttpHttpNode):
    async def perform_request(  # type: ignore[override]  # its answer is passed on unread
        self, method: str, target: str, body: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        if body and len(body) >= BIG:
            body = Body(body)
        return await super().perform_request(method, target, body, *args, **kwargs)


class ElasticsearchWire:
    def __init__(self, address: Address, options: Options) -> None:
        self._address = address
        self._options = options
        self._opening = asyncio.Lock()
        self._client: AsyncElasticsearch | None = None

    async def call(
        self, method: str, path: str, body: bytes | None, params: Mapping[str, str], content: str
    ) -> Any:
        client = self._client or await self._open()
        headers = {"accept": SPOKEN[JSON]}
        if body is not None:
            headers["content-type"] = SPOKEN[content]
        try:
            answer = await client.perform_request(
                method, path, params=params, headers=headers, body=body
            )
        except ApiError as error:
            body_said = error.body if isinstance(error.body, dict) else {}
            raise Answered(error.meta.status, kind_of(body_said.get("error"))) from None
        except ConnectionTimeout:
            raise Lost("too slow") from None
        except UnsupportedProductError:
            raise Lost("is not Elasticsearch") from None
        except (TransportError, SerializationError) as error:
            raise Lost(type(error).__name__) from None
        return answer.body

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _open(self) -> AsyncElasticsearch:
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(self._make)
            return self._client

    def _make(self) -> AsyncElasticsearch:
        address = self._address
        about: dict[str, Any] = {}
        if address.username is not None:
            about["basic_auth"] = (address.username, address.password or "")
        if address.tls:
            about["ssl_context"] = address.tls.context()
        scheme = "https" if address.tls else "http"
        return AsyncElasticsearch(
            [f"{scheme}://{host}/{address.path}" for host in address.hosts],
            node_class=Node,
            serializer=OrjsonSerializer(),
            connections_per_node=self._options.connections,
            request_timeout=None,  # whoever calls has a deadline for all of it
            max_retries=len(address.hosts),  # of connections that turn out to be gone
            retry_on_status=(),
            retry_on_timeout=False,
            meta_header=False,
            **about,
        )


def open_elasticsearch(url: str) -> LuceneSearch:
    """`elasticsearch://[user:password@]host[:9200][,host...]`; for options see `read`."""
    address, options = read(url)
    return LuceneSearch(Link(address, options, ElasticsearchWire(address, options)))
