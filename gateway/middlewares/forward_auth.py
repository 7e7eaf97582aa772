"""Asks another service whether a request may pass.

Reads like Traefik's forwardAuth, nginx's auth_request and Envoy's ext_authz where they agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import aiohttp
import msgspec
from yarl import URL

from gateway.attributes import TOKEN
from gateway.config.model import Section
from gateway.config.units import Duration
from gateway.errors import Problem, Response
from gateway.exchange import Exchange
from gateway.http1.fields import IN_A_LINE
from gateway.http1.namesakes import Namesakes
from gateway.middleware import Middleware
from gateway.middlewares.headers import PROTECTED
from gateway.plugin import Context

CONNECTIONS = 100
LONGEST_BODY = 64 * 1024
REFUSALS = frozenset({301, 302, 303, 307, 308, 401, 403})
HANDED_ON = {
    name.lower().encode("ascii"): name
    for name in (
        "Cache-Control",
        "Content-Encoding",
        "Content-Language",
        "Content-Type",
        "Location",
        "Set-Cookie",
        "WWW-Authenticate",
    )
}
OWN = PROTECTED | {
    "expect",
    "forwarded",
    "host",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-method",
    "x-forwarded-proto",
    "x-forwarded-uri",
    "x-request-id",
}

Fields = list[tuple[str, str]]


class ForwardAuthOptions(Section, frozen=True):
    """url: of the service, asked by GET and without the body. forward: the request's fields that
    it is shown, beside X-Forwarded-Method, -Proto, -Host, -Uri and -For and X-Request-ID.
    copy: fields of its answer that the endpoint is shown. Nobody else's get there: the client's
    fields of these names, in any spelling, are dropped.
    timeout: for its whole answer.
    on_error: when no answer comes, or one of 500 and above, `closed` answers 503 and `open` lets
    requests pass, without the fields to copy.
    """

    url: str
    forward: list[str] = msgspec.field(default_factory=lambda: ["Authorization", "Cookie"])
    copy: list[str] = msgspec.field(default_factory=list)
    timeout: Annotated[Duration, msgspec.Meta(gt=0)] = 5.0
    on_error: Literal["open", "closed"] = "closed"

    def __post_init__(self) -> None:
        _check_url(self.url)
        for option, names in (("forward", self.forward), ("copy", self.copy)):
            for name in names:
                if TOKEN.fullmatch(name) is None:
                    raise ValueError(f"{option}: {name!r} is not a header's name")
                shown_anyway = option == "forward" and name.lower().startswith("x-forwarded-")
                if name.lower() in OWN or shown_anyway:
                    raise ValueError(f"{option}: {name} belongs to the gateway")


class ForwardAuth(Middleware[ForwardAuthOptions]):
    """2xx lets a request pass; 401, 403 and redirects are handed on to the client.

    Whatever else the service says is no answer to the question: 502, or 503 where it failed.
    """

    Options = ForwardAuthOptions

    def __init__(self, options: ForwardAuthOptions, context: Context) -> None:
        super().__init__(options, context)
        self._url = URL(options.url)
        self._forward = {name.lower().encode("ascii"): name for name in options.forward}
        self._copy = {name.lower().encode("ascii"): name for name in options.copy}
        self._spoofed = Namesakes(options.copy)
        self._session: aiohttp.ClientSession | None = None
        self._away = False
        asked = context.metrics.counter(
            "gateway_forward_auth_total",
            "Requests that an authorization service was asked about.",
            ("middleware", "outcome"),
        )
        self._passed = asked.labels(context.name, "passed")
        self._refused = asked.labels(context.name, "refused")
        self._failed = asked.labels(context.name, "failed")

    async def start(self) -> None:
        """The service may be down; nothing is asked yet."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self.options.timeout),
            headers={"User-Agent": "ait-gateway", "Accept-Encoding": "identity"},
            auto_decompress=False,
            trust_env=False,
        )

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def request(self, exchange: Exchange) -> Response | None:
        try:
            shown = self._shown(exchange)
        except UnicodeDecodeError:
            # Sent in other bytes, it would be authorized as one request and served as another.
            return Problem(400, "A part of the request that authorizes it is not UTF-8.")
        self._spoofed.drop(exchange)
        session = self._session
        assert session is not None
        try:
            async with session.get(self._url, headers=shown, allow_redirects=False) as answer:
                body = await _body(answer)
                said = [(name.lower(), value) for name, value in answer.raw_headers]
        except (aiohttp.ClientError, OSError) as error:
            return self._unanswered(type(error).__name__)
        if answer.status >= 500:
            return self._unanswered(f"it answered {answer.status}")
        try:
            return self._judge(exchange, answer.status, said, body)
        except ValueError as error:
            self._complain(str(error))
            return Problem(502, "The authorization service cannot be understood.")

    def _judge(
        self,
        exchange: Exchange,
        status: int,
        said: Sequence[tuple[bytes, bytes]],
        body: bytes | None,
    ) -> Response | None:
        """Raises ValueError for an answer that means nothing here."""
        response = None
        if 200 <= status < 300:
            for name, value in _texts(said, self._copy):
                exchange.headers.add(name, value)
            self._passed.inc()
        elif status in REFUSALS:
            response = _refusal(status, _texts(said, HANDED_ON), body)
            self._refused.inc()
        else:
            raise ValueError(f"it answered {status}")
        self._away = False
        return response

    def _unanswered(self, why: str) -> Problem | None:
        self._complain(why)
        if self.options.on_error == "open":
            return None
        return Problem(503, "Requests cannot be authorized right now.", [("Retry-After", "1")])

    def _complain(self, why: str) -> None:
        """Once, until it answers again."""
        self._failed.inc()
        if not self._away:
            self._away = True
            self.context.log.warning("the authorization service fails: %s", why)

    def _shown(self, exchange: Exchange) -> Fields:
        """Raises UnicodeDecodeError: aiohttp sends text, as UTF-8."""
        target = exchange.path
        if exchange.query:
            target += b"?" + exchange.query
        shown = [
            ("X-Forwarded-Method", exchange.method),
            ("X-Forwarded-Proto", exchange.scheme),
            ("X-Forwarded-Host", exchange.authority.decode("ascii")),
            ("X-Forwarded-Uri", target.decode()),
            ("X-Forwarded-For", exchange.client_ip),
            ("X-Request-ID", exchange.request_id),
        ]
        for line in exchange.lines:
            name, _, value = line.partition(b":")
            # In one spelling, for aiohttp takes Cookie and COOKIE for two and sends the last one.
            shown_as = self._forward.get(name.lower())
            if shown_as is not None:
                shown.append((shown_as, value.strip(b" \t").decode()))
        return shown


def _check_url(text: str) -> None:
    """Raises ValueError, which does not show it."""
    wrong = "url is an http(s) URL without user and fragment"
    try:
        url = URL(text)
    except ValueError:
        raise ValueError(wrong) from None
    if url.scheme not in ("http", "https") or not url.host or url.raw_user or url.raw_fragment:
        raise ValueError(wrong)


async def _body(answer: aiohttp.ClientResponse) -> bytes | None:
    """None for more than LONGEST_BODY; then the rest is not read, and the connection ends."""
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > LONGEST_BODY:
            return None
    return bytes(body)


def _texts(said: Sequence[tuple[bytes, bytes]], names: Mapping[bytes, str]) -> Fields:
    """The fields that bear one of the names. Raises ValueError for what is no field's value."""
    found = [(names[name], value) for name, value in said if name in names]
    for name, value in found:
        if value.translate(None, IN_A_LINE):
            raise ValueError(f"its {name} holds a control character")
    return [(name, value.decode("latin-1")) for name, value in found]


def _refusal(status: int, fields: Fields, body: bytes | None) -> Response:
    if body is not None:
        return Response(status, body, fields)
    kept = [field for field in fields if not field[0].startswith("Content-")]
    return Problem(status, "The authorization service refused the request.", kept)
