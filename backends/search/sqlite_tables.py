"""The tables of one index in SQLite, and what is written into them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from string import Template

import orjson

from backends.search.index import Entry, Index
from backends.search.words import FOLDING, folded

FORMAT = 1
CATALOGUE = """
CREATE TABLE IF NOT EXISTS search_index (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL, version INTEGER NOT NULL, folding INTEGER NOT NULL,
  fields TEXT NOT NULL, filled INTEGER NOT NULL DEFAULT 0,
  UNIQUE (name, version, folding)
)"""
# Words come folded, with spaces between them: whatever is no space is part of a word.
TOKENS = "unicode61 remove_diacritics 0 categories 'L* M* N* P* S* C*'"
TYPES = {"keyword": "TEXT", "number": "REAL", "date": "INTEGER", "bool": "INTEGER"}


class Tables:
    """`sN_doc` has a row a document, `sN_fts` its words by the same number, `sN_many` a row a
    value of fields that hold many. Columns of fields begin with f_.
    """

    def __init__(self, index: Index, number: int) -> None:
        self.index = index
        self.number = number
        self.doc, self.fts, self.many = (f"s{number}_{part}" for part in ("doc", "fts", "many"))
        self.texts = index.named("text")
        self.manys = [name for name, field in index.fields.items() if field.many]
        self.plains = [name for name in index.named(*TYPES) if name not in self.manys]  # type: ignore[arg-type]  # kinds
        columns = ["id", "stored", *(f"f_{name}" for name in self.plains)]
        names = {
            "doc": self.doc,
            "fts": self.fts,
            "many": self.many,
            "columns": ", ".join(columns),
            "marks": ", ".join("?" * len(columns)),
            "sets": ", ".join(f"{name} = excluded.{name}" for name in columns[1:]),
            "texts": ", ".join(f"f_{name}" for name in self.texts),
            "text_marks": ", ".join("?" * len(self.texts)),
        }

        def sql(template: str) -> str:
            return Template(template).substitute(names)

        self._upsert = sql(
            "INSERT INTO $doc ($columns) VALUES ($marks) "
            "ON CONFLICT (id) DO UPDATE SET $sets RETURNING doc"
        )
        self._insert = sql(
            "INSERT INTO $doc ($columns) VALUES ($marks) ON CONFLICT (id) DO NOTHING RETURNING doc"
        )
        self._words = sql("INSERT OR REPLACE INTO $fts (rowid, $texts) VALUES (?, $text_marks)")
        self._forget_many = sql("DELETE FROM $many WHERE doc = ?")
        self._value = sql("INSERT INTO $many (field, value, doc) VALUES (?, ?, ?)")
        self._delete = sql("DELETE FROM $doc WHERE id = ? RETURNING doc")
        self._newest = sql("SELECT coalesce(max(doc), 0) FROM $doc")
        self._forget_words = sql("DELETE FROM $fts WHERE rowid = ?")

    def create(self, connection: sqlite3.Connection) -> None:
        plain = "".join(f", f_{name} {TYPES[self.index.fields[name].kind]}" for name in self.plains)
        connection.execute(
            f"CREATE TABLE {self.doc} (doc INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
            f" stored BLOB NOT NULL{plain})"
        )
        for name in self.plains:
            connection.execute(f"CREATE INDEX {self.doc}_{name} ON {self.doc} (f_{name}, id)")
        if self.texts:
            columns = ", ".join(f"f_{name}" for name in self.texts)
            connection.execute(
                f'CREATE VIRTUAL TABLE {self.fts} USING fts5 ({columns}, tokenize = "{TOKENS}")'
            )
        if self.manys:
            connection.execute(
                f"CREATE TABLE {self.many} (field INTEGER, value TEXT, doc INTEGER,"
                " PRIMARY KEY (field, value, doc)) WITHOUT ROWID"
            )
            connection.execute(f"CREATE INDEX {self.many}_doc ON {self.many} (doc)")

    def drop(self, connection: sqlite3.Connection) -> None:
        for table in (self.many, self.fts, self.doc):
            connection.execute(f"DROP TABLE IF EXISTS {table}")

    def put(self, connection: sqlite3.Connection, entry: Entry, *, only_if_absent: bool) -> None:
        row = [entry.id, orjson.dumps(entry.stored)]
        row += [entry.plain.get(name) for name in self.plains]  # type: ignore[misc]  # what SQLite takes
        statement = self._insert if only_if_absent else self._upsert
        if (found := connection.execute(statement, row).fetchone()) is None:
            return
        doc: int = found[0]
        if self.texts:
            words = [folded(entry.text[name]) if name in entry.text else "" for name in self.texts]
            connection.execute(self._words, [doc, *words])
        if self.manys:
            connection.execute(self._forget_many, (doc,))
            rows = [
                (number, value, doc)
                for number, name in enumerate(self.manys)
                for value in entry.many.get(name, ())
            ]
            connection.executemany(self._value, rows)

    def newest(self, connection: sqlite3.Connection) -> int:
        """The highest number of a document; 0 when there is none."""
        found: int
        (found,) = connection.execute(self._newest).fetchone()
        return found

    def delete(self, connection: sqlite3.Connection, ids: Sequence[str]) -> int:
        count = 0
        for each in ids:
            if (found := connection.execute(self._delete, (each,)).fetchone()) is None:
                continue
            count += 1
            if self.texts:
                connection.execute(self._forget_words, found)
            if self.manys:
                connection.execute(self._forget_many, found)
        return count


def tables(connection: sqlite3.Connection, index: Index) -> Tables | None:
    """Those of this version, if they are there."""
    found = connection.execute(
        "SELECT id FROM search_index WHERE name = ? AND version = ? AND folding = ? AND fields = ?",
        (index.name, index.version, FOLDING, index.digest()),
    ).fetchone()
    return Tables(index, found[0]) if found else None


def drop(connection: sqlite3.Connection, index: Index, *, below: bool) -> None:
    """below: only versions below the index's, and those folded otherwise before."""
    of_name = "DELETE FROM search_index WHERE name = ? "
    if below:
        versions = "AND (version, folding) < (?, ?) RETURNING id"
        found = connection.execute(of_name + versions, (index.name, index.version, FOLDING))
    else:
        found = connection.execute(of_name + "RETURNING id", (index.name,))
    for (number,) in found.fetchall():
        Tables(index, number).drop(connection)
