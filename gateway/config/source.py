"""YAML text -> nodes, for a stranger's file: bounded, and strict where YAML is a trap.

Scalars follow YAML 1.2's core schema, so `on`, `no` and `12:30` are strings. Refused: tags,
keys that are not strings, duplicate keys, several documents, more than 64 levels.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from gateway.config.errors import ConfigErrors, ConfigProblem
from gateway.config.nodes import Broken, Mapping, Node, Scalar, Sequence, Value
from gateway.config.problems import Problems, Trail, quoted
from gateway.config.substitution import Substitution

FILE_LIMIT = 16 * 1024 * 1024
DEPTH_LIMIT = 64
TOO_DEEP = f"nested deeper than {DEPTH_LIMIT} levels"
NODE_LIMIT = 2_000_000

NAMED: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
NAMED |= dict.fromkeys(("true", "True", "TRUE"), True)
NAMED |= dict.fromkeys(("false", "False", "FALSE"), False)
INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
MAY_BE_TYPED = frozenset("+-.0123456789~nNtTfF")


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read. `file` is its name in messages, `folder` the base of its paths.

    secrets: the values that `${..}` took from outside the file, and what they are part of.
    """

    file: str
    folder: Path
    root: Mapping
    secrets: frozenset[str] = frozenset()


class _Refused(Exception):
    """Reading cannot go on past this place."""

    def __init__(self, place: Node, message: str) -> None:
        super().__init__(message)
        self.place = place


def read_file(path: Path) -> bytes:
    """At most 16 MiB of a regular file. Raises ConfigErrors."""
    try:
        if path.exists() and not path.is_file():
            raise ConfigErrors([ConfigProblem(str(path), 1, 1, "", "is not a regular file")])
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT + 1)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise ConfigErrors([ConfigProblem(str(path), 1, 1, "", message)]) from None
    if len(content) > FILE_LIMIT:
        raise ConfigErrors([ConfigProblem(str(path), 1, 1, "", "is larger than 16 MiB")])
    return content


def parse(content: bytes, substitute: Substitution, problems: Problems) -> Mapping:
    """The root mapping; mistakes that leave a tree are added to `problems`.

    Raises ConfigErrors where no tree can be had.
    """
    try:
        return _parse(_decoded(content), substitute, problems)
    except _Refused as refused:
        problems.add(refused.place, None, str(refused))
        raise ConfigErrors(problems.found) from None


def scalar_value(text: str) -> Value:
    """A plain scalar as YAML 1.2's core schema reads it."""
    if text and text[0] not in MAY_BE_TYPED:
        return text
    if text in NAMED:
        return NAMED[text]
    if INTEGER.fullmatch(text):
        return int(text)
    if NUMBER.fullmatch(text):
        return float(text)
    return text


def _decoded(content: bytes) -> str:
    try:
        return content.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        place = _place_at(content[: error.start].decode())
        raise _Refused(place, "this byte is not UTF-8") from None


def _place_at(before: str) -> Node:
    return Node(before.count("\n") + 1, len(before) - before.rfind("\n"))


def _parse(text: str, substitute: Substitution, problems: Problems) -> Mapping:
    loader = yaml.CSafeLoader(text)
    try:
        return _Tree(loader.get_event, substitute, problems).document()
    except yaml.MarkedYAMLError as error:
        raise _unreadable(text, error) from None
    except yaml.reader.ReaderError as error:
        place = _place_at(text.encode()[: error.position].decode(errors="replace"))
        raise _Refused(place, f"{error.reason} (#x{error.character:04x})") from None
    finally:
        loader.dispose()


def _unreadable(text: str, error: yaml.MarkedYAMLError) -> _Refused:
    mark, problem = error.problem_mark, error.problem or ""
    assert mark is not None
    place = Node(mark.line + 1, mark.column + 1)
    if "nesting depth" in problem:  # libyaml 0.2.6 has a limit of its own, and looks ahead
        return _Refused(place, TOO_DEEP)
    line = [*text.split("\n"), ""][mark.line]
    if line[mark.column : mark.column + 1] == "\t" or "tab character" in problem:
        return _Refused(place, "a tab: YAML is indented with spaces")
    if line[: mark.column + 1].endswith("${"):
        return _Refused(place, 'inside {..} and [..] a value with ${..} has to be in "quotes"')
    context = f" {error.context}" if error.context else ""
    return _Refused(place, f"not YAML: {problem}{context}")


class _Tree:
    """Builds nodes out of the parser's events, one call a node.

    An alias costs as many nodes as what it stands for, which bounds "billion laughs".
    """

    def __init__(
        self, next_event: Callable[[], Any], substitute: Substitution, problems: Problems
    ) -> None:
        self.next_event = next_event
        self.substitute = substitute
        self.problems = problems
        self.anchors: dict[str, tuple[Node, int]] = {}
        self.count = 0

    def document(self) -> Mapping:
        self.next_event()
        if type(self.next_event()) is not DocumentStartEvent:
            raise _Refused(Node(1, 1), "the file is empty")
        root = self.node(self.next_event(), None, 0)
        self.next_event()
        if type(after := self.next_event()) is DocumentStartEvent:
            raise _Refused(_start(after), "a second document: a file holds one")
        if not isinstance(root, Mapping):
            raise _Refused(root, "expected a mapping of sections such as routes:")
        return root

    def node(self, event: Any, trail: Trail, depth: int) -> Node:
        before = self.count
        self.count += 1
        if before >= NODE_LIMIT:
            raise _Refused(_start(event), f"more than {NODE_LIMIT} values")
        kind = type(event)
        if kind is AliasEvent:
            return self.alias(event)
        if event.tag is not None:
            self.problems.add(_start(event), trail, f"tags are not allowed ({quoted(event.tag)})")
        node: Node
        if kind is ScalarEvent:
            node = self.scalar(event, trail)
        elif depth >= DEPTH_LIMIT:
            raise _Refused(_start(event), TOO_DEEP)
        elif kind is MappingStartEvent:
            node = self.mapping(event, trail, depth + 1)
        else:
            assert kind is SequenceStartEvent
            node = self.sequence(event, trail, depth + 1)
        if event.anchor is not None:
            self.anchors[event.anchor] = node, self.count - before
        return node

    def alias(self, event: Any) -> Node:
        if event.anchor not in self.anchors:
            raise _Refused(_start(event), f"there is no anchor {quoted(event.anchor)} before this")
        node, size = self.anchors[event.anchor]
        self.count += size
        return node

    def scalar(self, event: Any, trail: Trail) -> Node:
        mark = event.start_mark
        text = event.value
        line, column = mark.line + 1, mark.column + 1
        if "${" in text:
            return self.substituted(text, Node(line, column), trail)
        return Scalar(line, column, text, scalar_value(text) if event.implicit[0] else text)

    def substituted(self, text: str, place: Node, trail: Trail) -> Node:
        try:
            text, secrets, whole = self.substitute(text)
        except ValueError as error:
            self.problems.add(place, trail, str(error))
            return Broken(place.line, place.column)
        value = scalar_value(text) if whole else text
        return Scalar(place.line, place.column, text, value, secrets)

    def sequence(self, event: Any, trail: Trail, depth: int) -> Sequence:
        items: list[Node] = []
        start = _start(event)
        next_event = self.next_event
        while type(event := next_event()) is not SequenceEndEvent:
            items.append(self.node(event, (trail, len(items)), depth))
        return Sequence(start.line, start.column, items)

    def mapping(self, event: Any, trail: Trail, depth: int) -> Mapping:
        entries: dict[str, Node] = {}
        keys: dict[str, Node] = {}
        start = _start(event)
        next_event = self.next_event
        while type(event := next_event()) is not MappingEndEvent:
            place = _start(event)
            key = self.key(event, place, trail, depth)
            if key in keys:
                message = f"duplicate key {quoted(key)}, first on line {keys[key].line}"
                self.problems.add(place, (trail, key), message)
            value = self.node(next_event(), (trail, key), depth)
            entries.setdefault(key, value)
            keys.setdefault(key, place)
        return Mapping(start.line, start.column, entries, keys)

    def key(self, event: Any, place: Node, trail: Trail, depth: int) -> str:
        if type(event) is not ScalarEvent or event.tag is not None:
            self.node(event, trail, depth)
            raise _Refused(place, "a key has to be a plain string")
        text: str = event.value
        if event.implicit[0] and type(scalar_value(text)) is not str:
            message = f"a key has to be a string: write {quoted(text)} in quotes"
            self.problems.add(place, trail, message)
        if event.anchor is not None:
            self.anchors[event.anchor] = Scalar(place.line, place.column, text, text), 1
        return text


def _start(event: Any) -> Node:
    mark = event.start_mark
    return Node(mark.line + 1, mark.column + 1)
