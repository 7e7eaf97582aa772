"""Pages that follow each other by what the last one ended with."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from plugins.auth.admin.operation import Refusal

Limit = Annotated[int, msgspec.Meta(ge=1, le=200)]
Text = Annotated[str, msgspec.Meta(max_length=200)]
CURSOR = re.compile(r"(\d{1,15})-([0-9a-f]{32})", re.ASCII)


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
