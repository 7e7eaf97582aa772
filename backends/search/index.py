"""What an index is declared to hold, and the documents put into it."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, TypeAlias

import orjson

Kind = Literal["text", "keyword", "number", "date", "bool"]
Value: TypeAlias = str | float | bool | datetime | Sequence[str] | None
Scalar: TypeAlias = str | float | bool | datetime
Plain: TypeAlias = str | int | float | bool
"""As engines keep a scalar: a date is microseconds since 1970 UTC."""

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
MOST_FIELDS = 64
MOST_TEXTS = 16
ID_BYTES = 512
KEYWORD_BYTES = 4096
TEXT_CHARACTERS = 1 << 20
MOST_VALUES = 1000
EXACT = 1 << 53
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Field:
    """text is searched and highlighted. keyword, number and bool are filtered and counted as
    facets, keyword, number and date are filtered and sorted by; compared exactly, as they are.

    weight: how much more a word counts here than in a text field of weight 1. many: a keyword
    field holds any number of values, of which one has to match, and is not sorted by. stored:
    hits give it back; what is not stored cannot be highlighted.
    """

    kind: Kind
    weight: float = 1.0
    many: bool = False
    stored: bool = True

    def __post_init__(self) -> None:
        if self.many and self.kind != "keyword":
            raise ValueError("only a keyword field holds many values")
        if not 0 < self.weight <= 1000:
            raise ValueError("a weight is above 0 and at most 1000")


@dataclass(frozen=True, slots=True)
class Index:
    """name and the names of fields: lower-case letters, digits, `_`, 40 at most.

    version is raised whenever the fields change, or what is put into them: each version is an
    index of its own, which has to be filled (see `Search.ensure`). Raises ValueError.
    """

    name: str
    version: int
    fields: Mapping[str, Field]

    def __post_init__(self) -> None:
        for name in (self.name, *self.fields):
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name for an index or a field: {NAME.pattern}")
        if not 1 <= len(self.fields) <= MOST_FIELDS:
            raise ValueError(f"an index has 1 to {MOST_FIELDS} fields")
        if len(self.named("text")) > MOST_TEXTS:
            raise ValueError(f"an index has at most {MOST_TEXTS} text fields")
        if not 1 <= self.version <= 1_000_000_000:
            raise ValueError("a version is a number from 1")

    def named(self, *kinds: Kind) -> list[str]:
        return [name for name, field in self.fields.items() if field.kind in kinds]

    def digest(self) -> str:
        """Of its fields: differs when they do."""
        fields = {name: [f.kind, f.weight, f.many, f.stored] for name, f in self.fields.items()}
        listed = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(listed).hexdigest()[:32]


class Document(NamedTuple):
    """id: 1 to 512 bytes of UTF-8. A field left out, None or an empty sequence is absent.

    text and keyword are str, number is int or float (whole numbers up to 2**53), date is an
    aware datetime, bool is bool.
    """

    id: str
    fields: Mapping[str, Value]


class Failure(NamedTuple):
    """A document that was not put. reason names the field, never a value."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A document as drivers take it: stored, as JSON has it, and text, as it was given; plain
    single values; many values, each once.
    """

    id: str
    stored: dict[str, Plain | list[str]]
    text: dict[str, str]
    plain: dict[str, Plain]
    many: dict[str, list[str]]


def entry(index: Index, document: Document) -> Entry:
    """Raises ValueError, for `Failure.reason`."""
    if not 0 < len(_utf8(document.id, "the id")) <= ID_BYTES:
        raise ValueError(f"an id has 1 to {ID_BYTES} bytes")
    made = Entry(document.id, {}, {}, {}, {})
    for name, value in document.fields.items():
        if (field := index.fields.get(name)) is None:
            raise ValueError(f"the index has no field {name[:40]!r}")
        if value is None or (field.many and not value):
            continue
        kept: Plain | list[str]
        if field.kind == "text":
            kept = made.text[name] = _text(name, value)
        elif field.many:
            kept = made.many[name] = _many(name, value)
        else:
            kept = made.plain[name] = plain(name, field, value)
        if field.stored:
            made.stored[name] = kept
    return made


def given_back(index: Index, stored: Mapping[str, Plain | list[str]]) -> dict[str, Value]:
    """What was stored, dates as dates again."""
    found: dict[str, Value] = dict(stored)
    for name in index.named("date"):
        if name in stored:
            found[name] = EPOCH + timedelta(microseconds=int(stored[name]))  # type: ignore[arg-type]  # a date
    return found


def plain(name: str, field: Field, value: object) -> Plain:
    """One value of a field that is not text. Raises ValueError."""
    match field.kind, value:
        case "keyword", str() if len(_utf8(value, name)) <= KEYWORD_BYTES:
            return value
        case "bool", bool():
            return value
        case "number", int() | float() if _is_number(value):
            return value
        case "date", datetime(tzinfo=zone) if zone is not None:
            return (value - EPOCH) // MICROSECOND
    raise ValueError(f"{name} is not a {field.kind} as it should be")


def _is_number(value: float) -> bool:
    if isinstance(value, bool):
        return False
    return abs(value) <= EXACT if isinstance(value, int) else math.isfinite(value)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text as it should be")
    if len(value) > TEXT_CHARACTERS:
        raise ValueError(f"{name} is longer than {TEXT_CHARACTERS} characters")
    _utf8(value, name)
    return value


def _many(name: str, value: object) -> list[str]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, Sequence) or not all(isinstance(one, str) for one in values):
        raise ValueError(f"{name} is not a sequence of keywords as it should be")
    if len(values) > MOST_VALUES:
        raise ValueError(f"{name} has more than {MOST_VALUES} values")
    if any(len(_utf8(one, name)) > KEYWORD_BYTES for one in values):
        raise ValueError(f"{name} has a value of more than {KEYWORD_BYTES} bytes")
    return list(dict.fromkeys(values))


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} is not text that UTF-8 can hold") from None
