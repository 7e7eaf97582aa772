"""What SQLite says, in the words of backends.errors."""

from __future__ import annotations

import re
import sqlite3

from backends.errors import BackendError, BackendUnavailable, Conflict, Refused
from backends.sql import Contended
from backends.sql.transactions import Said

CONFLICTS = {
    sqlite3.SQLITE_CONSTRAINT_UNIQUE,
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
    sqlite3.SQLITE_CONSTRAINT_ROWID,
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY,
}
AWAY = {
    sqlite3.SQLITE_BUSY: "another process writes, or holds the file",
    sqlite3.SQLITE_LOCKED: "the table is in use",
    sqlite3.SQLITE_INTERRUPT: "a statement took longer than its timeout",
    sqlite3.SQLITE_PROTOCOL: "the file's lock could not be had",
    sqlite3.SQLITE_IOERR: "the disk does not answer as it should",
    sqlite3.SQLITE_NOMEM: "out of memory",
}
WILL_NOT = {
    sqlite3.SQLITE_FULL: "the disk, or the database's own bound, is full",
    sqlite3.SQLITE_READONLY: "writing is not allowed here",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; is its folder writable?",
    sqlite3.SQLITE_NOTADB: "the file is not a SQLite database",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; bring back a copy",
    sqlite3.SQLITE_PERM: "no permission to use the file",
    sqlite3.SQLITE_TOOBIG: "a value or statement is too big",
    sqlite3.SQLITE_MISMATCH: "a value does not fit its column",
}
NAMES = re.compile(
    r"(?:UNIQUE|NOT NULL|CHECK) constraint failed: [\w., ]{1,200}"
    r"|no such (?:table|column|function|index|module): [\w.]{1,100}"
    r"|(?:table|index) [\w.\"]{1,100} already exists"
    r"|table [\w.]{1,100} has no column named [\w.]{1,100}"
    r"|near \"\w{1,40}\": syntax error"
    r"|FOREIGN KEY constraint failed"
)
"""What may be repeated of a message: it holds names of the schema and no values."""


def said(error: BaseException) -> Said:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return Said(_without_code(error))
    named = found[0] if (found := NAMES.match(str(error))) else error.sqlite_errorname  # type: ignore[attr-defined]  # goes with the code
    kind = code & 0xFF
    if code == sqlite3.SQLITE_BUSY_SNAPSHOT:
        return Said(Contended("sql: another transaction has written since this one read"))
    if kind in AWAY:
        return Said(BackendUnavailable(f"sql: {AWAY[kind]} ({error.sqlite_errorname})"))  # type: ignore[attr-defined]  # goes with the code
    if code in CONFLICTS:
        return Said(Conflict(f"sql: {named}"))
    return Said(Refused(f"sql: {WILL_NOT.get(kind, named)}"))


def _without_code(error: BaseException) -> BackendError:
    if isinstance(error, OSError):
        return Refused(f"sql: the file cannot be made ({error.strerror})")
    if isinstance(error, sqlite3.Error) and "closed" in str(error).lower():
        return BackendUnavailable("sql: the connection was closed")
    return Refused(f"sql: a statement or its values are not well-formed ({type(error).__name__})")
