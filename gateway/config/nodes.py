"""A file's tree as read: every key and value knows its line and column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

Value: TypeAlias = str | bool | int | float | None


class Node:
    """A place in the file. Lines and columns count from 1."""

    __slots__ = ("column", "line")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column


class Broken(Node):
    """A value whose mistake has been reported already."""

    __slots__ = ()


class Scalar(Node):
    """`text` as written; `value` as YAML 1.2 reads it: None, a bool, int, float or str.

    secrets: what `${..}` put into the text. Never shown to anybody.
    """

    __slots__ = ("secrets", "text", "value")

    def __init__(
        self,
        line: int,
        column: int,
        text: str,
        value: Value,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self.line = line
        self.column = column
        self.text = text
        self.value = value
        self.secrets = secrets


class Sequence(Node):
    __slots__ = ("items",)

    def __init__(self, line: int, column: int, items: list[Node]) -> None:
        super().__init__(line, column)
        self.items = items


class Mapping(Node):
    """`entries` are the values by key; `keys` says where each key stands."""

    __slots__ = ("entries", "keys")

    def __init__(
        self, line: int, column: int, entries: dict[str, Node], keys: dict[str, Node]
    ) -> None:
        super().__init__(line, column)
        self.entries = entries
        self.keys = keys

    def without(self, key: str) -> Mapping:
        entries = {name: value for name, value in self.entries.items() if name != key}
        return Mapping(self.line, self.column, entries, self.keys)


def plain(node: Node) -> Any:
    """The tree as dicts, lists and scalars, without its places."""
    if isinstance(node, Mapping):
        return {key: plain(value) for key, value in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.value if isinstance(node, Scalar) else None


def secrets_in(node: Node) -> Iterator[str]:
    """Every text under `node` that must not be shown."""
    if isinstance(node, Scalar):
        if node.secrets:
            yield node.text
            yield from node.secrets
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from secrets_in(item)
    elif isinstance(node, Mapping):
        for value in node.entries.values():
            yield from secrets_in(value)
