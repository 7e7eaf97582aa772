"""A query as SQL: the words by FTS5, the rest by columns."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from string import Template
from typing import Any

import orjson

from backends.search.cursors import Key, read, written
from backends.search.highlights import highlight
from backends.search.index import Scalar, given_back
from backends.search.query import (
    COUNTED,
    And,
    Bucket,
    Eq,
    Exists,
    Filter,
    Hit,
    In,
    Not,
    Or,
    Page,
    Query,
    Range,
    value_of,
)
from backends.search.sqlite_tables import Tables
from backends.search.words import Clause, clauses

COMPARED = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<"}
WORDS = "WITH m AS MATERIALIZED (SELECT rowid AS hit, $score AS score FROM $fts WHERE $fts MATCH ?)"


class Asked:
    """One query to one index's tables. Every value goes as a parameter."""

    def __init__(self, tables: Tables, query: Query) -> None:
        self.tables = tables
        self.query = query
        self.clauses = clauses(query.text)
        wanted = [clause for clause in self.clauses if clause.wanted]
        unwanted = [clause for clause in self.clauses if not clause.wanted]
        self._conditions: list[str] = []
        self._values: list[Any] = []
        self._words = _match(wanted, " AND ") if wanted and tables.texts else None
        if wanted and not tables.texts:
            self._conditions.append("0")
        if unwanted and tables.texts:
            self._add("d.doc NOT IN (SELECT rowid FROM $fts WHERE $fts MATCH ?)")
            self._values.append(_match(unwanted, " OR "))
        if query.where is not None:
            self._conditions.append(condition(tables, query.where, self._values))
        self.by_score = self._words is not None and not query.sort

    def page(self, connection: sqlite3.Connection) -> Page:
        """In one view of the data. Raises Refused for a cursor that is not of this query."""
        keys = ["m.score"] if self.by_score else [f"d.f_{name}" for name, _ in self.query.sort]
        keys.append("d.id")
        directions = [sort.descending for sort in self.query.sort] or [False] * self.by_score
        directions.append(False)
        after = read(self.query, len(keys))
        conditions, values = list(self._conditions), list(self._values)
        if after is not None:
            conditions.append(_beyond(keys, directions, after, values))
        order = ", ".join(
            f"{key} {'DESC' if down else 'ASC'} NULLS LAST"
            for key, down in zip(keys, directions, strict=True)
        )
        sql = (
            f"SELECT d.stored, {', '.join(keys)} {self._from(conditions)} ORDER BY {order} LIMIT ?"
        )
        rows = connection.execute(
            self._with(sql), [*self._first(), *values, self.query.limit + 1]
        ).fetchall()
        more = len(rows) > self.query.limit
        rows = rows[: self.query.limit]
        total = len(rows) if after is None and not more else self._count(connection)
        return Page(
            [self._hit(stored, key) for stored, *key in rows],
            min(total, COUNTED),
            total <= COUNTED,
            {name: self._facet(connection, name, most) for name, most in self.query.facets.items()},
            written(self.query, rows[-1][1:]) if more else None,
        )

    def some(
        self, connection: sqlite3.Connection, beyond: int | None, upto: int, most: int
    ) -> list[tuple[int, str]]:
        """Numbers and ids of those that match, by number."""
        conditions = [*self._conditions, "d.doc > ?", "d.doc <= ?"]
        sql = f"SELECT d.doc, d.id {self._from(conditions)} ORDER BY d.doc LIMIT ?"
        values = [*self._first(), *self._values, beyond, upto, most]
        return connection.execute(self._with(sql), values).fetchall()

    def _hit(self, stored: bytes, key: Sequence[Key]) -> Hit:
        found = orjson.loads(stored)
        pieces = {
            name: highlight(found[name], self.clauses)
            for name in self.query.highlights
            if name in found
        }
        if self.query.fields is not None:
            found = {name: found[name] for name in self.query.fields if name in found}
        score = -float(key[0]) if self.by_score else None  # type: ignore[arg-type]  # a score
        return Hit(str(key[-1]), score, given_back(self.tables.index, found), pieces)

    def _count(self, connection: sqlite3.Connection) -> int:
        sql = f"SELECT count(*) FROM (SELECT 1 {self._from(self._conditions)} LIMIT ?)"  # noqa: S608 - of names that were checked
        values = [*self._first(), *self._values, COUNTED + 1]
        count: int = connection.execute(self._with(sql, scored=False), values).fetchone()[0]
        return count

    def _facet(self, connection: sqlite3.Connection, name: str, most: int) -> list[Bucket]:
        column, values = f"d.f_{name}", list(self._values)
        conditions = [*self._conditions, f"{column} IS NOT NULL"]
        join = ""
        if name in self.tables.manys:
            column, join = "v.value", f"JOIN {self.tables.many} v ON v.doc = d.doc "
            conditions[-1] = "v.field = ?"
            values.append(self.tables.manys.index(name))
        sql = (
            f"SELECT {column}, count(*) AS n {self._from(conditions, join)} "
            "GROUP BY 1 ORDER BY n DESC, 1 LIMIT ?"
        )
        found = connection.execute(self._with(sql, scored=False), [*self._first(), *values, most])
        if self.tables.index.fields[name].kind == "bool":
            return [Bucket(bool(value), count) for value, count in found]
        return [Bucket(value, count) for value, count in found]

    def _add(self, template: str) -> None:
        self._conditions.append(Template(template).substitute(fts=self.tables.fts))

    def _first(self) -> list[str]:
        return [] if self._words is None else [self._words]

    def _with(self, sql: str, *, scored: bool = True) -> str:
        if self._words is None:
            return sql
        weights = [str(self.tables.index.fields[name].weight) for name in self.tables.texts]
        score = f"bm25({self.tables.fts}, {', '.join(weights)})"
        words = Template(WORDS).substitute(
            fts=self.tables.fts, score=score if scored and self.by_score else "0"
        )
        return f"{words} {sql}"

    def _from(self, conditions: Sequence[str], join: str = "") -> str:
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        if self._words is None:
            return f"FROM {self.tables.doc} d {join}{where}"
        return f"FROM m JOIN {self.tables.doc} d ON d.doc = m.hit {join}{where}"


def _match(listed: Sequence[Clause], between: str) -> str:
    """For MATCH. A word has letters, digits and signs only, so quotes hold it."""
    return between.join(
        f'"{" ".join(clause.words)}"{" *" if clause.prefix else ""}' for clause in listed
    )


def _beyond(
    keys: Sequence[str], directions: Sequence[bool], after: Sequence[Key], values: list[Any]
) -> str:
    """Rows that come after the one with these keys; what is NULL comes last."""
    alternatives = []
    for place, (key, down, value) in enumerate(zip(keys, directions, after, strict=True)):
        if value is None:
            continue  # nothing comes after it by this key
        same = [f"{before} IS ?" for before in keys[:place]]
        further = f"({key} {'<' if down else '>'} ? OR {key} IS NULL)"
        alternatives.append(" AND ".join([*same, further]))
        values += [*after[:place], value]
    return f"({' OR '.join(alternatives)})"


def condition(tables: Tables, where: Filter, values: list[Any]) -> str:  # noqa: PLR0911 - one a kind
    """Its values are added to `values`, in the order of their marks."""
    match where:
        case And(filters):
            return f"({' AND '.join(condition(tables, one, values) for one in filters) or '1'})"
        case Or(filters):
            return f"({' OR '.join(condition(tables, one, values) for one in filters) or '0'})"
        case Not(inner):
            return f"NOT coalesce({condition(tables, inner, values)}, 0)"
        case Eq(name, value):
            return _compared(tables, name, [("=", value)], values)
        case In(name, several):
            return _one_of(tables, name, several, values)
        case Range(name):
            bounds = [(COMPARED[bound], value) for bound, value in where.bounds().items()]
            return _compared(tables, name, bounds, values)
        case Exists(name):
            return _compared(tables, name, [], values)


def _compared(
    tables: Tables, name: str, bounds: Sequence[tuple[str, Scalar]], values: list[Any]
) -> str:
    column = _column(tables, name, values)
    values += [value_of(tables.index, name, value) for _, value in bounds]
    listed = " AND ".join([f"{column} {sign} ?" for sign, _ in bounds] or [f"{column} IS NOT NULL"])
    return _held(tables, name, listed)


def _one_of(tables: Tables, name: str, several: Sequence[Scalar], values: list[Any]) -> str:
    column = _column(tables, name, values)
    values += [value_of(tables.index, name, value) for value in several]
    return _held(tables, name, f"{column} IN ({', '.join('?' * len(several))})")


def _column(tables: Tables, name: str, values: list[Any]) -> str:
    if name not in tables.manys:
        return f"d.f_{name}"
    values.append(tables.manys.index(name))
    return "value"


def _held(tables: Tables, name: str, listed: str) -> str:
    if name not in tables.manys:
        return f"({listed})"
    return f"d.doc IN (SELECT doc FROM {tables.many} WHERE field = ? AND {listed})"  # noqa: S608 - of names that were checked
