"""Edits of a JSON document by path, compiled once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from gateway.attributes import PLACE, compile_attribute
from gateway.exchange import Exchange

Steps = tuple[str, ...]
Value = Callable[[Exchange], Any]
EVERY = "*"
DEPTH = 64
"""Keys a path may have."""


class NotJSON(ValueError):
    """The body cannot be read, or not be written again."""


class JSONEdits:
    """Removes, renames, then adds. Raises ValueError for what is no path or no template."""

    __slots__ = ("_add", "_remove", "_rename")

    def __init__(self, rename: dict[str, str], remove: list[str], add: dict[str, Any]) -> None:
        self._remove = tuple(_parted(path) for path in remove)
        self._rename = tuple((*_parted(path), _name(name)) for path, name in rename.items())
        self._add = tuple((*_parted(path), _value(value)) for path, value in add.items())

    def __bool__(self) -> bool:
        return bool(self._remove or self._rename or self._add)

    def apply(self, body: bytes, exchange: Exchange) -> bytes:
        """Raises NotJSON. Integers of any length stay exact; of a repeated key the last one."""
        try:
            document = msgspec.json.decode(body)
            for steps, key in self._remove:
                for place in _places(document, steps):
                    place.pop(key, None)
            for steps, key, name in self._rename:
                for place in _places(document, steps):
                    if key in place:
                        place[name] = place.pop(key)
            for steps, key, value in self._add:
                for place in _places(document, steps, make=True):
                    place[key] = value(exchange)
            return msgspec.json.encode(document)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
            raise NotJSON(type(error).__name__) from None


def _places(at: Any, steps: Steps, *, make: bool = False) -> Iterator[dict[str, Any]]:
    """The objects at `steps`. make: what is no object or list on the way becomes an object, but
    for what should be a list.
    """
    for number, step in enumerate(steps):
        if step == EVERY:
            for element in at if isinstance(at, list) else ():
                yield from _places(element, steps[number + 1 :], make=make)
            return
        if not isinstance(at, dict):
            return
        below = at.get(step)
        if make and not isinstance(below, dict | list) and steps[number + 1 :][:1] != (EVERY,):
            below = at[step] = {}
        at = below
    if isinstance(at, dict):
        yield at


def _parted(path: str) -> tuple[Steps, str]:
    """`a.*.b`: the steps to the objects, and the key in them."""
    *steps, key = path.split(".")
    if not all(steps) or len(steps) >= DEPTH or EVERY in (key, *_partly(steps)):
        raise ValueError(f"{path!r} is not a path such as user.name or items.*.name")
    return tuple(steps), _name(key)


def _partly(steps: list[str]) -> Iterator[str]:
    return (EVERY for step in steps if EVERY in step and step != EVERY)


def _name(name: str) -> str:
    if not name or "." in name or EVERY in name:
        raise ValueError(f"{name!r} is not a key's name: it holds no dot and no *")
    return name


def _value(value: Any) -> Value:
    """What to add; `${attribute}` in a text is filled in, "" for what is absent."""
    if not isinstance(value, str):
        return lambda exchange: value
    pieces = PLACE.split(value)
    literals, attributes = pieces[::2], [compile_attribute(piece) for piece in pieces[1::2]]
    if any("${" in literal for literal in literals):
        raise ValueError("a ${ without its }")
    if not attributes:
        return lambda exchange: value
    first, *rest = literals
    pairs = tuple(zip(attributes, rest, strict=True))

    def filled(exchange: Exchange) -> str:
        return first + "".join((of(exchange) or "") + literal for of, literal in pairs)

    return filled
