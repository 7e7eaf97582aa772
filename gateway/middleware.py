"""CONTRACT: a middleware, a step that every request of a route passes.

Shipped like a plugin: bundled by name, by the entry point group `gateway.middlewares`, or by
path (`use: ./local/stamp.py:Stamp`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import msgspec

from gateway.errors import Response
from gateway.exchange import Exchange

if TYPE_CHECKING:
    from gateway.plugin import Context


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For a middleware or plugin that has nothing to set."""


OptionsT = TypeVar("OptionsT", bound=msgspec.Struct)


class Middleware(Generic[OptionsT]):
    """Construct without I/O -> start() -> phases -> stop(), which works after a failed start.

    One instance serves every route that names it; its state is shared by them. A phase that
    is not overridden costs nothing. Requests flow down the route's list, answers flow up:
    the response and done phases run for the middlewares that the request reached.
    """

    Options: ClassVar[type[msgspec.Struct]] = NoOptions
    answers_preflight: ClassVar[bool] = False
    """Routes that pass this middleware take CORS preflights whatever their methods are."""

    transforms_answer: bool = False
    """Its response phase may set `exchange.transform`."""

    def __init__(self, options: OptionsT, context: Context) -> None:
        self.options = options
        self.context = context

    async def start(self) -> None:
        """Open what it needs. An exception stops the start, or the reload."""

    async def stop(self) -> None:
        """Close it again."""

    def request(self, exchange: Exchange) -> Response | Awaitable[Response | None] | None:
        """None lets the request go on; a Response answers it here. May be `async def`."""
        return None

    def response(self, exchange: Exchange) -> None:
        """Status and headers of `exchange.answer`, before they are sent. Never waits."""

    def done(self, exchange: Exchange) -> None:
        """Once, after the last byte or the failure. Never waits."""

    @classmethod
    def summary(cls, options: OptionsT) -> Mapping[str, Any] | None:
        """What `explain` shows of its options: numbers and words, and nothing secret."""
        return None

    def state(self, exchange: Exchange) -> Mapping[str, Any] | Awaitable[Mapping[str, Any]] | None:
        """How it stands towards such a request now, for `explain` to show. Counts nothing.

        The exchange is one that nobody has sent: no guard has seen it, and it has no answer.
        """
        return None


AnyMiddleware = Middleware[Any]
