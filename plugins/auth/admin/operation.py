"""An operation of the API: typed, so that it is decoded, answered and described by one table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from plugins.auth.audit.actor import Actor


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Refusal(Exception):
    """The answer is a problem (RFC 9457). detail: without anything that was sent."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked for: `query` and `body` are of the operation's types."""

    actor: Actor
    path: dict[str, str]
    query: Any
    body: Any
    request: web.Request = field(repr=False)


Act = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """act: answers what `answer` says, None for 204, or a response that it has sent itself.

    streams: media types of such a response.
    """

    method: str
    path: str
    summary: str
    act: Act
    answer: Any = None
    body: Any = None
    query: type[msgspec.Struct] = Nothing
    status: int = 200
    streams: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Unique among them, for generators of clients."""
        words = [word.strip("{}") for word in self.path.split("/")[2:]]
        return "_".join([self.method.lower(), *words]).replace("-", "_")


def there(found: Any, what: str) -> Any:
    """It, or a Refusal with 404."""
    if found is None or found is False:
        raise Refusal(404, f"there is no such {what}")
    return found


def changed(sent: msgspec.Struct) -> dict[str, Any]:
    """What was sent of it."""
    found = {name: getattr(sent, name) for name in sent.__struct_fields__}
    return {name: value for name, value in found.items() if value is not msgspec.UNSET}
