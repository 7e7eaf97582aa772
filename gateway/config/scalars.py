"""Decoders for strings, numbers, choices and quantities with a unit."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from math import isfinite
from typing import Any, TypeAlias

from msgspec import inspect

from gateway.config.nodes import Node, Scalar, Sequence
from gateway.config.problems import FAILED, Problems, Trail, nearest, shown, wrong

Decoder: TypeAlias = Callable[[Node, Trail, Problems], Any]

NOT_EMPTY = "must not be empty"
LIMITS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "ge": (operator.ge, "must be at least"),
    "gt": (operator.gt, "must be more than"),
    "le": (operator.le, "must be at most"),
    "lt": (operator.lt, "must be less than"),
    "min_length": (lambda value, bound: len(value) >= bound, "must have a length of at least"),
    "max_length": (lambda value, bound: len(value) <= bound, "must have a length of at most"),
    "pattern": (lambda value, bound: re.search(bound, value) is not None, "must match"),
}


def limited(info: inspect.Type, decoder: Decoder) -> Decoder:
    """`decoder`, and the limits that the type's msgspec.Meta sets."""
    limits = [
        (holds, bound, NOT_EMPTY if (name, bound) == ("min_length", 1) else f"{words} {bound}")
        for name, (holds, words) in LIMITS.items()
        if (bound := getattr(info, name, None)) is not None
    ]
    if not limits:
        return decoder

    def decode_limited(node: Node, trail: Trail, problems: Problems) -> Any:
        value = decoder(node, trail, problems)
        if value is not FAILED:
            # A list counts by what stands in the file, not by what of it could be decoded.
            subject = node.items if isinstance(node, Sequence) else value
            for holds, bound, message in limits:
                if not holds(subject, bound):
                    problems.add(node, trail, message)
                    return FAILED
        return value

    return decode_limited


def string(node: Node, trail: Trail, problems: Problems) -> Any:
    """Quoted text, plain text that YAML takes for nothing else, or whatever was substituted."""
    if isinstance(node, Scalar):
        if type(node.value) is str or node.secrets:
            return node.text
        if node.value is not None:
            problems.add(node, trail, f"expected a string: put {node.text} in quotes")
            return FAILED
    return wrong(node, trail, problems, "a string")


def file_path(node: Node, trail: Trail, problems: Problems) -> Any:
    """A string, as an absolute path. Whether there is such a file is not asked here."""
    text = string(node, trail, problems)
    return text if text is FAILED else str((problems.folder / text).absolute())


def boolean(node: Node, trail: Trail, problems: Problems) -> Any:
    if isinstance(node, Scalar) and type(node.value) is bool:
        return node.value
    return wrong(node, trail, problems, "true or false")


def integer(node: Node, trail: Trail, problems: Problems) -> Any:
    if isinstance(node, Scalar) and type(node.value) is int:
        return node.value
    return wrong(node, trail, problems, "a whole number")


def number(node: Node, trail: Trail, problems: Problems) -> Any:
    if isinstance(node, Scalar) and type(node.value) in (int, float):
        value = float(node.value or 0)
        if isfinite(value):
            return value
    return wrong(node, trail, problems, "a number")


def nothing(node: Node, trail: Trail, problems: Problems) -> Any:
    if isinstance(node, Scalar) and node.value is None:
        return None
    return wrong(node, trail, problems, "nothing")


def quantity(info: inspect.Metadata) -> Decoder:
    """A scalar with a unit, by the `parse` and `numbers` in its msgspec.Meta.extra."""
    extra = info.extra or {}
    parse: Callable[[str], Any] = extra["parse"]
    numbers: bool = extra["numbers"]
    whole = isinstance(info.type, inspect.IntType)

    def decode_quantity(node: Node, trail: Trail, problems: Problems) -> Any:
        if not isinstance(node, Scalar):
            return wrong(node, trail, problems, "a quantity")
        if numbers and type(node.value) in (int, float):
            return integer(node, trail, problems) if whole else number(node, trail, problems)
        try:
            return parse(node.text)
        except ValueError as error:
            problems.add(node, trail, f"{error}, got {shown(node)}")
            return FAILED

    return limited(info.type, decode_quantity)


def choice(info: inspect.LiteralType) -> Decoder:
    """One of a Literal's values."""
    by_name = {value: value for value in info.values if isinstance(value, str)}
    others = {(type(value), value) for value in info.values if not isinstance(value, str)}
    names = ["nothing" if value is None else str(value) for value in info.values]
    expected = names[0] if len(names) == 1 else f"one of {', '.join(sorted(names))}"

    def decode_choice(node: Node, trail: Trail, problems: Problems) -> Any:
        if isinstance(node, Scalar):
            if (type(node.value), node.value) in others:
                return node.value
            if node.text in by_name and (type(node.value) is str or node.secrets):
                return node.text
            if close := nearest(node.text, by_name):
                message = f"expected {expected}, got {shown(node)}, did you mean {close!r}?"
                problems.add(node, trail, message)
                return FAILED
        return wrong(node, trail, problems, expected)

    return decode_choice
