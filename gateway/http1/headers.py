"""Header fields kept as the lines that came off the wire, parsed only when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from gateway.http1.fields import is_token


class Fields(Protocol):
    """**Protocol:** something that can be asked for a field's values, by a name in any case."""

    def getall(self, name: str) -> list[str]: ...


class Headers(Fields, Protocol):
    """**Protocol:** what a middleware may do with a header section. Names in any case.

    `get` answers the first value, `set` replaces all fields of that name by one, and `add`
    and `set` raise ValueError for CR, LF or NUL in a value. `add_line` adds what `field_line`
    made, or bytes as good as that: nothing is looked at again.
    """

    def get(self, name: str, default: str | None = None) -> str | None: ...
    def getall(self, name: str) -> list[str]: ...
    def set(self, name: str, value: str) -> None: ...
    def add(self, name: str, value: str) -> None: ...
    def add_line(self, line: bytes) -> None: ...
    def remove(self, name: str) -> None: ...
    def __contains__(self, name: object) -> bool: ...
    def items(self) -> Iterator[tuple[str, str]]: ...


class HeaderLines:
    """Headers over raw lines (`b"Name: value"`), whose case, order and duplicates stay."""

    __slots__ = ("_index", "lines")

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines
        self._index: dict[str, list[str]] | None = None

    def _fields(self) -> dict[str, list[str]]:
        index = self._index
        if index is None:
            index = self._index = {}
            for line in self.lines:
                name, _, value = line.partition(b":")
                key = name.decode("latin-1").lower()
                index.setdefault(key, []).append(value.strip(b" \t").decode("latin-1"))
        return index

    def get(self, name: str, default: str | None = None) -> str | None:
        values = self._fields().get(name.lower())
        return values[0] if values else default

    def getall(self, name: str) -> list[str]:
        return list(self._fields().get(name.lower(), ()))

    def set(self, name: str, value: str) -> None:
        line = field_line(name, value)
        self.remove(name)
        self.lines.append(line)
        self._index = None

    def add(self, name: str, value: str) -> None:
        self.add_line(field_line(name, value))

    def add_line(self, line: bytes) -> None:
        self.lines.append(line)
        self._index = None

    def remove(self, name: str) -> None:
        if name in self:
            prefix = name.lower().encode("latin-1")
            self.lines[:] = [
                line for line in self.lines if line.partition(b":")[0].lower() != prefix
            ]
            self._index = None

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields()

    def items(self) -> Iterator[tuple[str, str]]:
        for line in self.lines:
            name, _, value = line.partition(b":")
            yield name.decode("latin-1"), value.strip(b" \t").decode("latin-1")


def field_line(name: str, value: str) -> bytes:
    """`b"Name: value"`. ValueError where that would be more than one line, or no field."""
    if not is_token(name.encode("latin-1", "replace")):
        raise ValueError("a header field's name is not a token")
    if "\n" in value or "\r" in value or "\0" in value:
        raise ValueError(f"a value of {name} holds a line break or NUL")
    return f"{name}: {value}".encode("latin-1")
