"""Collects mistakes with their places, and keeps substituted values out of the messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import msgspec

from gateway.config.errors import ConfigErrors, ConfigProblem
from gateway.config.nodes import Broken, Mapping, Node, Scalar, Sequence, secrets_in

# The way from the root to a value, innermost first: ((None, "routes"), 3). Cheap to extend.
Trail: TypeAlias = "tuple[Trail, str | int] | None"

HERE = Path()
SHOWN = 60
PASSWORD = re.compile(r"//[^/\s]*@")
FAILED: Any = object()


class Problems:
    """The mistakes found so far in one file, and where what was decoded came from.

    `places` has every decoded struct's mapping by the struct's id(). `folder` is what the
    file's paths are read against.
    """

    def __init__(self, file: str, folder: Path = HERE) -> None:
        self.file = file
        self.folder = folder
        self.found: list[ConfigProblem] = []
        self.places: dict[int, tuple[Mapping, Trail]] = {}

    def add(self, place: Node, trail: Trail, message: str, about: Node | None = None) -> None:
        """`message` may hold what somebody else's code said: secrets are taken out of it.

        `about` is a node around `place`, where the message says more than of the place alone.
        """
        self.found.append(
            ConfigProblem(
                self.file,
                place.line,
                place.column,
                dotted(trail),
                _without_secrets(message, about or place),
            )
        )

    def place(self, owner: msgspec.Struct, *steps: str) -> tuple[Node, Trail]:
        """Where a decoded struct, or what is below it, stands in the file."""
        node: Node
        node, trail = self.places[id(owner)]
        for step in steps:
            if isinstance(node, Mapping) and step in node.entries:
                node, trail = node.entries[step], (trail, step)
        return node, trail

    def check_texts(
        self,
        owner: msgspec.Struct,
        key: str,
        check: Callable[[str], object],
        about: Node | None = None,
    ) -> None:
        """Has `check` look at a field that is a string, or at each of a list of strings.

        What it raises as ValueError is reported where that string stands. Nothing is asked
        of a struct that did not come from the file.
        """
        if id(owner) not in self.places:
            return
        node, trail = self.place(owner, key)
        items = enumerate(node.items) if isinstance(node, Sequence) else ()
        for child, way in [(node, trail), *((item, (trail, at)) for at, item in items)]:
            if is_text(child):
                try:
                    check(child.text)
                except ValueError as error:
                    self.add(child, way, f"{shown(child)}: {error}", about)

    def raise_if_any(self) -> None:
        if self.found:
            raise ConfigErrors(self.found)


def is_text(node: Node) -> TypeGuard[Scalar]:
    """Whether a string can be had of it; `null` is none even when it was substituted."""
    if not isinstance(node, Scalar):
        return False
    return type(node.value) is str or bool(node.secrets and node.value is not None)


def dotted(trail: Trail) -> str:
    """`routes[3].match.path`"""
    if trail is None:
        return ""
    parent, step = trail
    before = dotted(parent)
    if isinstance(step, int):
        return f"{before}[{step}]"
    return f"{before}.{step}" if before else step


def shown(node: Node) -> str:
    """What a message may say of a value."""
    if not isinstance(node, Scalar):
        return "a mapping" if isinstance(node, Mapping) else "a list"
    if node.secrets:
        return "a substituted value"
    if node.value is None:
        return "nothing"
    return quoted(node.text) if isinstance(node.value, str) else node.text[:SHOWN]


def quoted(text: str) -> str:
    """Short, on one line, and without the password of a URL."""
    text = PASSWORD.sub("//***@", text)
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}...")


def suggestion(name: str, known: Iterable[str]) -> str:
    """What to append to "unknown ..": the nearest known name, else all of a short list."""
    names = list(known)
    if close := nearest(name, names):
        return f", did you mean {close!r}?"
    if 0 < len(names) <= 20:
        return f"; known: {', '.join(names)}"
    return ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was meant, as far as can be told. Case counts little."""
    by_lower = {each.lower(): each for each in known}
    close = get_close_matches(name[:SHOWN].lower(), by_lower, n=1)
    return by_lower[close[0]] if close else None


def wrong(node: Node, trail: Trail, problems: Problems, expected: str) -> Any:
    """Reports a value of the wrong kind; the answer is FAILED."""
    if not isinstance(node, Broken):
        problems.add(node, trail, f"expected {expected}, got {shown(node)}")
    return FAILED


def _without_secrets(message: str, place: Node) -> str:
    """`message`, with every substituted value at `place` or below it blotted out."""
    for secret in sorted(set(secrets_in(place)), key=len, reverse=True):
        for form in (secret, repr(secret)[1:-1]):
            if form:
                message = message.replace(form, "***")
    return message
