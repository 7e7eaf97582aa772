"""What one request knows about itself while it passes through the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gateway.http1.headers import Headers
from gateway.http1.request import RequestHead

if TYPE_CHECKING:
    from gateway.chain import Chain, Step
    from gateway.route import Route
    from gateway.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a guard found the client to be. `kind` names the guard: jwt, api_key, basic."""

    subject: str
    kind: str
    claims: Mapping[str, Any] = field(default_factory=dict)
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()


class Answer(Protocol):
    """**Protocol:** the head of the answer as the response phase sees it, before it is sent."""

    status: int

    @property
    def headers(self) -> Headers: ...
    @property
    def length(self) -> int | None:
        """Bytes of its body; None when that is not known yet."""

    @property
    def fixed(self) -> bool:
        """Whether no transform can be had: it has no body, or aiohttp sends a file."""


class BodyTransform(Protocol):
    """**Protocol:** what an answer's body becomes on its way to the client.

    Fed with pieces of 64 KiB at most, on the event loop: a millisecond each is the measure. An
    exception breaks the answer off.
    """

    def feed(self, data: bytes) -> bytes: ...
    def end(self) -> bytes: ...


class Exchange(RequestHead):
    """One request and its answer.

    Made by the listener, seen by every middleware, and by a plugin's handler as
    `request["exchange"]`.

    method, host (lower case, no port), scheme, path and query (raw bytes as received),
    client_ip (behind trusted proxies the client's own; "unix" on a unix socket), request_id.
    headers: the request's fields that travel on; hop-by-hop fields are not among them.
    content_length: bytes of the body; None when it is chunked; 0 without a body.
    body_limit: bytes of body this request may have; a middleware may lower it.
    identity: set by the guard that verified it, for whoever comes after.
    reached_endpoint: every guard let it pass. entered: what unwinds for those it reached.
    answer: in the response phase, the head about to be sent.
    transform: what the body will pass, if a middleware that `transforms_answer` has set it in
    the response phase; the framing is seen to. Never for an answer that is `fixed`. rewriting:
    the same for one that says nothing before `end`; it comes first, and the head waits for it.
    BodyRefused makes the answer a 502. The gateway's own answers are not rewritten.
    waiting: the guard that is being waited for.
    status: of the answer once it is known; 499 when the client went first.
    failure: in the done phase, None or why no whole answer came: "connect", "timeout",
    "reset", "protocol", "exhausted", "client", "error".
    target: the URL of the target that was asked; upstream_seconds: from asking it to its last
    byte. None when none was asked.
    logged: whether it gets a line in the access log; a done phase may say no.
    bytes_received, bytes_sent: of the request's body and of the whole answer.
    """

    __slots__ = (
        "_notes",
        "answer",
        "body_limit",
        "bytes_received",
        "bytes_sent",
        "captures",
        "client_ip",
        "entered",
        "failure",
        "identity",
        "logged",
        "reached_endpoint",
        "request_id",
        "rewriting",
        "route",
        "scheme",
        "started",
        "status",
        "target",
        "transform",
        "upstream_seconds",
        "waiting",
    )

    scheme: str
    client_ip: str
    request_id: str
    route: Route
    started: float
    body_limit: int
    answer: Answer
    transform: BodyTransform | None
    rewriting: BodyTransform | None
    waiting: Waiting

    def __init__(self) -> None:
        super().__init__()
        self.captures: tuple[bytes, ...] = ()
        self.identity: Identity | None = None
        self.reached_endpoint = False
        self.status = 0
        self.logged = True
        self.failure: str | None = None
        self.target: str | None = None
        self.upstream_seconds: float | None = None
        self.bytes_received = 0
        self.bytes_sent = 0
        self.entered: Step | Chain | None = None
        self._notes: dict[object, Any] | None = None

    @property
    def notes(self) -> dict[object, Any]:
        """A middleware's memory from one phase to the next; its own `self` is the key."""
        if self._notes is None:
            self._notes = {}
        return self._notes

    async def read_body(self, most: int) -> bytes | None:
        """The request's body, for an `async def request`; None when it exceeds `most` bytes.

        The endpoint gets it all the same, or what `replace_body` says instead.
        """
        return await self.waiting.read_body(self, most)

    def replace_body(self, body: bytes) -> None:
        """After `read_body`: what the endpoint gets for it."""
        self.waiting.replace_body(self, body)

    @property
    def takes_chunks(self) -> bool:
        """Whether a chunk of the answer may go to the client as it is."""
        return self.minor == 1 and not self.route.chain.transforms

    @property
    def params(self) -> dict[str, str]:
        """What `{name}` in the route's pattern caught, percent-decoded."""
        return self.route.params_of(self.captures)
