"""Sets, adds and removes header fields of requests and responses."""

from __future__ import annotations

import msgspec

from gateway.attributes import TOKEN, Template, compile_template
from gateway.config.model import Section
from gateway.exchange import Exchange
from gateway.http1.headers import Headers as HeaderSection
from gateway.http1.namesakes import Namesakes, one_spelling
from gateway.middleware import Middleware
from gateway.plugin import Context

# Connection management and framing (RFC 9110, section 7.6.1; RFC 9112) are the gateway's own.
PROTECTED = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

# What the gateway itself tells the next hop; by the middleware it would be told twice.
TOLD = frozenset({"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id"})


class HeaderEdits(Section, frozen=True):
    """Applied in this order: remove, set, add.

    Values may hold `${jwt.sub}` and every other attribute of gateway/attributes.py; one that is
    absent leaves nothing in its place, so that `set` never lets a client's own value through.
    `remove` takes names, and prefixes such as `x-internal-*`. What a request loses by `remove`
    and `set`, it loses in every spelling that an endpoint may take for it (`x_user`).
    """

    set: dict[str, str] = msgspec.field(default_factory=dict)
    add: dict[str, str] = msgspec.field(default_factory=dict)
    remove: list[str] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        Edits(self)


class HeadersOptions(Section, frozen=True):
    request: HeaderEdits = msgspec.field(default_factory=HeaderEdits)
    response: HeaderEdits = msgspec.field(default_factory=HeaderEdits)

    def __post_init__(self) -> None:
        for name in (*self.request.set, *self.request.add, *self.request.remove):
            if _spelled(name) in TOLD:
                raise ValueError(
                    f"request: {name} belongs to the gateway, which tells every target who asks; "
                    "server.trusted_proxies says whose word it takes for that"
                )


class Headers(Middleware[HeadersOptions]):
    """Edits what travels to the endpoint, and what travels back."""

    Options = HeadersOptions

    def __init__(self, options: HeadersOptions, context: Context) -> None:
        super().__init__(options, context)
        self._on_request = Edits(options.request)
        self._on_response = Edits(options.response)
        self._spoofed = self._on_request.namesakes()

    def request(self, exchange: Exchange) -> None:
        self._spoofed.drop(exchange)
        self._on_request.fill(exchange.headers, exchange)

    def response(self, exchange: Exchange) -> None:
        headers = exchange.answer.headers
        self._on_response.remove(headers)
        self._on_response.fill(headers, exchange)


class Edits:
    """HeaderEdits, checked and compiled. Raises ValueError."""

    __slots__ = ("_add", "_prefixes", "_remove", "_set")

    def __init__(self, edits: HeaderEdits) -> None:
        self._set = _templates(edits.set)
        self._add = _templates(edits.add)
        if any(name.lower() == "host" for name in (*edits.add, *edits.remove)):
            raise ValueError("a request has exactly one Host: it can be set, not added or removed")
        self._remove = tuple(_name(name) for name in edits.remove if not name.endswith("*"))
        self._prefixes = tuple(_prefix(name) for name in edits.remove if name.endswith("*"))

    def namesakes(self) -> Namesakes:
        """What a client must not bring, be it removed or set."""
        return Namesakes((*self._remove, *(name for name, _ in self._set)), self._prefixes)

    def remove(self, headers: HeaderSection) -> None:
        for name in self._remove:
            headers.remove(name)
        if self._prefixes:
            names = {name.lower() for name, _ in headers.items()}
            for name in names:
                if name.startswith(self._prefixes):
                    headers.remove(name)

    def fill(self, headers: HeaderSection, exchange: Exchange) -> None:
        for name, value in self._set:
            headers.set(name, value(exchange))
        for name, value in self._add:
            headers.add(name, value(exchange))


def _templates(fields: dict[str, str]) -> tuple[tuple[str, Template], ...]:
    compiled = []
    for name, text in fields.items():
        try:
            compiled.append((_name(name), compile_template(text)))
        except ValueError as error:
            raise ValueError(f"{name!r}: {error}") from None
    return tuple(compiled)


def _name(name: str) -> str:
    if TOKEN.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not a header's name")
    if _spelled(name) in PROTECTED:
        raise ValueError(f"{name} belongs to the gateway: it frames messages on a connection")
    return name


def _prefix(pattern: str) -> str:
    prefix = pattern[:-1].lower()
    if "*" in prefix or TOKEN.fullmatch(prefix) is None:
        raise ValueError(f"{pattern!r} is not a header's name or a prefix such as x-internal-*")
    for name in sorted({*PROTECTED, "host"}):
        if name.startswith(_spelled(prefix)):
            raise ValueError(f"{pattern} would remove {name}, which belongs to the gateway")
    return prefix


def _spelled(name: str) -> str:
    return one_spelling(name.encode("ascii")).decode("ascii")
