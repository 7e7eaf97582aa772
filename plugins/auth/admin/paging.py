"""Pages that follow each other by what the last one ended with."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from plugins.auth.admin.operation import Call, Refusal

Limit = Annotated[int, msgspec.Meta(ge=1, le=200)]
Text = Annotated[str, msgspec.Meta(max_length=200)]
CURSOR = re.compile(r"(\d{1,15})-([0-9a-f]{32})", re.ASCII)


class ByName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """cursor: `next` of the page before."""

    cursor: Text = ""
    limit: Limit = 50


def next_of(found: list[Any], field: str, call: Call) -> str | None:
    """The cursor of the page after this one."""
    return getattr(found[-1], field) if found and len(found) == call.query.limit else None


def cursor_of(created_at: int, ident: str) -> str:
    return f"{created_at}-{ident}"


def read(cursor: str) -> tuple[int, str] | None:
    """None for the first page. Raises Refusal."""
    if not cursor:
        return None
    found = CURSOR.fullmatch(cursor)
    if found is None:
        raise Refusal(400, "the cursor is none of ours")
    return int(found[1]), found[2]
