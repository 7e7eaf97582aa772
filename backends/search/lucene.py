"""Search in Elasticsearch or OpenSearch, which take the same requests.

A version of an index is an index of the server with an alias, by which alone it is used: what
was dropped is not made again by a late write, as the server else would.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import orjson

from backends.errors import BackendUnavailable, Conflict, Missing
from backends.search.index import Document, Failure, Index, entry
from backends.search.lucene_bulk import Operation, bulk, index_line
from backends.search.lucene_link import Answered, Link
from backends.search.lucene_query import asked, condition, mapping, page, source
from backends.search.query import Filter, Page, Query, check, check_filter
from backends.search.words import FOLDING

BATCH = 1000
CONFLICT = 409


class LuceneSearch:
    """What is acknowledged is on the disk of every replica that was there (the translog)."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def ensure(self, index: Index) -> bool:
        found = await self._meta(index)
        if found is None:
            body: dict[str, Any] = {
                "aliases": {self._alias(index): {}},
                "mappings": mapping(index, filled=False),
                "settings": {"index": self._settings()},
            }
            with suppress(_There):
                await self._send(index, "PUT", f"/{self._alias(index)}-data", body)
            found = await self._meta(index)
        if found is None:
            raise BackendUnavailable(f"search: {index.name} was dropped while it was made")
        if found.get("fields") != index.digest():
            raise Conflict(
                f"search: version {index.version} of {index.name} is there with other fields"
            )
        return bool(found.get("filled"))

    async def filled(self, index: Index) -> None:
        meta = mapping(index, filled=True)["_meta"]
        await self._send(index, "PUT", f"/{self._alias(index)}/_mapping", {"_meta": meta})
        await self._drop(index, below=True)

    async def drop(self, index: Index) -> None:
        await self._drop(index, below=False)

    async def put(
        self,
        index: Index,
        documents: Sequence[Document],
        *,
        only_if_absent: bool = False,
        refresh: bool = False,
    ) -> list[Failure]:
        failures: dict[int, Failure] = {}
        places: list[int] = []

        def operations() -> Iterator[Operation]:
            for place, document in enumerate(documents):
                try:
                    made = entry(index, document)
                except ValueError as error:
                    failures[place] = Failure(document.id, str(error))
                    continue
                places.append(place)
                line = index_line("create" if only_if_absent else "index", made.id)
                yield Operation(made.id, line + orjson.dumps(source(made)) + b"\n")

        try:
            outcomes = await bulk(self._link, self._alias(index), operations())
        except Missing:
            raise self._missing(index) from None
        for place, outcome in zip(places, outcomes, strict=True):
            if outcome.kind and not (only_if_absent and outcome.status == CONFLICT):
                failures[place] = Failure(outcome.id, f"the server says {outcome.kind}")
        await self._after(index, written=bool(places), refresh=refresh)
        return [failures[place] for place in sorted(failures)]

    async def delete(self, index: Index, ids: Sequence[str], *, refresh: bool = False) -> int:
        lines = (Operation(each, index_line("delete", each)) for each in ids if _sendable(each))
        return await self._delete(index, lines, refresh=refresh)

    async def delete_where(self, index: Index, where: Filter, *, refresh: bool = False) -> int:
        check_filter(index, where)
        await self._send(index, "POST", f"/{self._alias(index)}/_refresh")
        count = 0
        body: dict[str, Any] = {
            "query": {"bool": {"filter": [condition(index, where)]}},
            "size": BATCH,
            "sort": [{"id": "asc"}],
            "seq_no_primary_term": True,
            "track_total_hits": False,
            "_source": False,
        }
        while hits := (await self._search(index, body))["hits"]["hits"]:
            # One that was put again since is another document, and may not match.
            lines = (
                {
                    "_id": hit["_id"],
                    "if_seq_no": hit["_seq_no"],
                    "if_primary_term": hit["_primary_term"],
                }
                for hit in hits
            )
            count += await self._delete(
                index,
                (Operation(line["_id"], orjson.dumps({"delete": line}) + b"\n") for line in lines),
                refresh=False,
            )
            body["search_after"] = hits[-1]["sort"]
        await self._after(index, written=True, refresh=refresh)
        return count

    async def query(self, index: Index, query: Query) -> Page:
        check(index, query)
        answer = await self._search(index, asked(index, query))
        if query.highlights:
            return await asyncio.to_thread(page, index, query, answer)
        return page(index, query, answer)

    async def check(self) -> None:
        """By a question that needs no more rights than the rest, whose answer is no."""
        try:
            await self._link.call("GET", f"/_alias/{self._link.options.prefix}none-v0")
        except Answered as answer:
            if answer.status != 404:
                raise self._link.translated(answer, "server") from None

    async def close(self) -> None:
        await self._link.close()

    async def _search(self, index: Index, body: Mapping[str, Any]) -> Any:
        within = {"timeout": f"{int(self._link.timeout * 1000)}ms", **body}
        whole = {"allow_partial_search_results": "false"}
        answer = await self._send(index, "POST", f"/{self._alias(index)}/_search", within, whole)
        if answer["timed_out"]:
            raise BackendUnavailable(f"search: {self._link.address} did not end in time")
        return answer

    async def _delete(self, index: Index, lines: Iterator[Operation], *, refresh: bool) -> int:
        first = next(lines, None)
        found = 0
        if first is not None:
            try:
                outcomes = await bulk(self._link, self._alias(index), chain((first,), lines))
            except Missing:
                raise self._missing(index) from None
            found = sum(outcome.status == 200 for outcome in outcomes)
        await self._after(index, written=first is not None, refresh=refresh)
        return found

    async def _after(self, index: Index, *, written: bool, refresh: bool) -> None:
        if refresh:
            await self._send(index, "POST", f"/{self._alias(index)}/_refresh")
        elif not written:
            await self._send(index, "GET", f"/{self._alias(index)}/_alias")

    async def _meta(self, index: Index) -> dict[str, Any] | None:
        try:
            found = await self._send(index, "GET", f"/{self._alias(index)}/_mapping")
        except Missing:
            return None
        (about,) = found.values()
        meta: dict[str, Any] = about["mappings"].get("_meta", {})
        return meta

    async def _drop(self, index: Index, *, below: bool) -> None:
        start = f"{self._link.options.prefix}{index.name}-v"
        try:
            found = await self._send(index, "GET", f"/_alias/{start}*")
        except Missing:
            return
        for name in found:
            if not (version := re.fullmatch(r"(\d+)-f(\d+)-data", name.removeprefix(start))):
                continue
            if below and (int(version[1]), int(version[2])) >= (index.version, FOLDING):
                continue
            try:
                await self._send(index, "DELETE", f"/{name}")
            except Missing:
                continue

    async def _send(
        self,
        index: Index,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Any:
        said = None if body is None else orjson.dumps(body)
        try:
            return await self._link.call(method, path, said, params)
        except Answered as answer:
            if answer.kind == "resource_already_exists_exception":
                raise _There from None
            if answer.status == 404:
                raise self._missing(index) from None
            raise self._link.translated(answer, index.name) from None

    def _settings(self) -> dict[str, int]:
        options = self._link.options
        settings = {}
        if options.shards:
            settings["number_of_shards"] = options.shards
        if options.replicas >= 0:
            settings["number_of_replicas"] = options.replicas
        return settings

    def _alias(self, index: Index) -> str:
        return f"{self._link.options.prefix}{index.name}-v{index.version}-f{FOLDING}"

    def _missing(self, index: Index) -> Missing:
        return Missing(f"search: there is no version {index.version} of {index.name}")


class _There(Exception):
    """Somebody else made it meanwhile."""


def _sendable(text: str) -> bool:
    """Whether there can be such an id."""
    try:
        return 0 < len(text.encode()) <= 512
    except UnicodeEncodeError:
        return False
