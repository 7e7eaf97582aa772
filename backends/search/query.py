"""What is asked of an index, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from typing import NamedTuple, TypeAlias

from backends.errors import Refused
from backends.search.highlights import Fragment
from backends.search.index import Index, Kind, Plain, Scalar, Value, plain

MOST_HITS = 100
MOST_BUCKETS = 100
MOST_FACETS = 16
MOST_SORTED = 3
MOST_CONDITIONS = 256
MOST_VALUES = 1000
DEEPEST = 16
COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Eq:
    field: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class In:
    """One of the values; of none, nothing is."""

    field: str
    values: Sequence[Scalar]


@dataclass(frozen=True, slots=True)
class Range:
    """Of a keyword (by code point), number or date. A bound left out does not bind."""

    field: str
    gte: Scalar | None = None
    gt: Scalar | None = None
    lte: Scalar | None = None
    lt: Scalar | None = None

    def bounds(self) -> dict[str, Scalar]:
        given = {"gte": self.gte, "gt": self.gt, "lte": self.lte, "lt": self.lt}
        return {name: bound for name, bound in given.items() if bound is not None}


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is there."""

    field: str


@dataclass(frozen=True, slots=True)
class And:
    """All of them; also when there are none."""

    filters: Sequence[Filter]


@dataclass(frozen=True, slots=True)
class Or:
    """One of them at least; never when there are none."""

    filters: Sequence[Filter]


@dataclass(frozen=True, slots=True)
class Not:
    """Whatever the other does not match: also what lacks the field."""

    filter: Filter


Filter: TypeAlias = Eq | In | Range | Exists | And | Or | Not


class Sort(NamedTuple):
    """What lacks the field comes last, whatever the direction."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """text: what a user typed, see `words.clauses`; without a word in it everything matches.

    facets: field -> the most buckets. highlights: text fields. sort: by relevance when there
    is none, or by id when there is no text either; ties are broken by id. after: `Page.next` of
    the same query. fields: those a hit gives back; all that are stored when None.
    """

    text: str = ""
    where: Filter | None = None
    facets: Mapping[str, int] = default(default_factory=dict)
    highlights: Sequence[str] = ()
    sort: Sequence[Sort] = ()
    after: str | None = None
    limit: int = 20
    fields: Sequence[str] | None = None


class Hit(NamedTuple):
    """score: bigger is better, within one page's query only; None unless sorted by relevance.

    highlights: the best places of each field asked for that is there, of those that matched
    first; where nothing did, its beginning.
    """

    id: str
    score: float | None
    fields: Mapping[str, Value]
    highlights: Mapping[str, Sequence[Fragment]]


@dataclass(frozen=True, slots=True)
class Bucket:
    value: str | float | bool
    count: int


class Page(NamedTuple):
    """total: how many match in all; no more than COUNTED are counted, and then `exact` is False.

    facets: by count, then by value; over all that match. next: None after the last page.
    """

    hits: Sequence[Hit]
    total: int
    exact: bool
    facets: Mapping[str, Sequence[Bucket]]
    next: str | None


def check(index: Index, query: Query) -> None:
    """Raises Refused: the caller asks what the index was not made for."""
    if not 1 <= query.limit <= MOST_HITS:
        raise Refused(f"search: limit is 1 to {MOST_HITS}")
    if len(query.facets) > MOST_FACETS or len(query.sort) > MOST_SORTED:
        raise Refused(f"search: at most {MOST_FACETS} facets and {MOST_SORTED} fields to sort by")
    for name, most in query.facets.items():
        _known(index, name, "keyword", "number", "bool")
        if not 1 <= most <= MOST_BUCKETS:
            raise Refused(f"search: a facet has 1 to {MOST_BUCKETS} buckets")
    for name, _ in query.sort:
        _known(index, name, "keyword", "number", "date")
        if index.fields[name].many:
            raise Refused(f"search: {name} has many values and is not sorted by")
    for name in query.highlights:
        _known(index, name, "text")
    for name in (*query.highlights, *(query.fields or ())):
        if name not in index.fields or not index.fields[name].stored:
            raise Refused(f"search: {index.name} has no stored field {name[:40]!r}")
    if query.where is not None:
        check_filter(index, query.where)


def check_filter(index: Index, where: Filter) -> None:
    """Raises Refused."""
    waiting: list[tuple[Filter, int]] = [(where, 1)]
    conditions = 0
    while waiting:
        each, depth = waiting.pop()
        conditions += 1
        if isinstance(each, In) and len(each.values) > MOST_VALUES:
            raise Refused(f"search: an In has at most {MOST_VALUES} values")
        if conditions > MOST_CONDITIONS or depth > DEEPEST:
            raise Refused(f"search: a filter has {MOST_CONDITIONS} conditions, {DEEPEST} deep")
        match each:
            case And(filters) | Or(filters):
                waiting += [(one, depth + 1) for one in filters]
            case Not(inner):
                waiting.append((inner, depth + 1))
            case Eq(name, value):
                value_of(index, name, value)
            case In(name, values):
                for value in values:
                    value_of(index, name, value)
            case Range(name):
                _known(index, name, "keyword", "number", "date")
                for bound in each.bounds().values():
                    value_of(index, name, bound)
            case Exists(name):
                _known(index, name, "keyword", "number", "date", "bool")


def value_of(index: Index, name: str, value: Scalar) -> Plain:
    """As it is kept. Raises Refused."""
    _known(index, name, "keyword", "number", "date", "bool")
    try:
        return plain(name, index.fields[name], value)
    except ValueError as error:
        raise Refused(f"search: {error}") from None


def _known(index: Index, name: str, *kinds: Kind) -> None:
    field = index.fields.get(name)
    if field is None or field.kind not in kinds:
        raise Refused(f"search: {index.name} has no {' or '.join(kinds)} field {name[:40]!r}")
