"""Many operations at once: in chunks of so many bytes, repeated where the server was too busy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from backends.errors import BackendUnavailable, Missing, Refused
from backends.search.lucene_link import LINES, Answered, Link, kind_of, pauses

BUSY = 429


class Operation(NamedTuple):
    """lines: the action, and the document if it has one."""

    id: str
    lines: bytes


class Outcome(NamedTuple):
    """kind: of the error; empty when there is none."""

    id: str
    status: int
    kind: str


def index_line(action: str, id: str) -> bytes:  # noqa: A002 - what the API calls it
    return orjson.dumps({action: {"_id": id}}) + b"\n"


async def bulk(link: Link, target: str, operations: Iterator[Operation]) -> list[Outcome]:
    """In their order. Operations are read in a thread. target: an alias.

    Raises BackendUnavailable when some were refused as too many until the timeout, Missing when
    there is no such alias, and Refused when the server takes no writes.
    """
    outcomes: list[Outcome] = []
    left: list[Operation] = []
    while True:
        chunk, left = await asyncio.to_thread(_chunk, operations, left, link.chunk)
        if not chunk:
            return outcomes
        outcomes += await _sent(link, target, chunk)


def _chunk(
    operations: Iterator[Operation], left: list[Operation], most: int
) -> tuple[list[Operation], list[Operation]]:
    """As many as fit, one at least, and the one that did not."""
    chunk = list(left)
    size = sum(len(each.lines) for each in chunk)
    for each in operations:
        size += len(each.lines)
        if chunk and size > most:
            return chunk, [each]
        chunk.append(each)
    return chunk, []


async def _sent(link: Link, target: str, chunk: list[Operation]) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    waiting = list(enumerate(chunk))
    try:
        async with asyncio.timeout(link.timeout):
            for pause in pauses():
                body = b"".join(each.lines for _, each in waiting)
                path, params = f"/{target}/_bulk", {"require_alias": "true"}
                answer = await link.call("POST", path, body, params, LINES)
                for (place, each), item in zip(waiting, answer["items"], strict=True):
                    outcomes[place] = _outcome(link, each, item)
                waiting = [
                    (place, each) for place, each in waiting if outcomes[place].status == BUSY
                ]
                if not waiting:
                    break
                await asyncio.sleep(pause)
    except TimeoutError:
        said = "too busy for" if outcomes else "no answer in"
        raise BackendUnavailable(f"search: {link.address}: {said} {link.timeout:g} s") from None
    except Answered as answered:
        raise link.translated(answered, target) from None
    return [outcomes[place] for place in range(len(chunk))]


def _outcome(link: Link, operation: Operation, item: dict[str, Any]) -> Outcome:
    (said,) = item.values()
    kind = kind_of(said["error"]) if "error" in said else ""
    if kind == "index_not_found_exception":
        raise Missing("search: there is no such index")
    if said["status"] in (401, 403):
        raise Refused(f"search: {link.address}: {said['status']} {kind}")
    if said["status"] >= 500:
        raise BackendUnavailable(f"search: {link.address}: {said['status']} {kind}")
    return Outcome(operation.id, said["status"], kind)
