"""Where a page ended, as text that goes through clients: read as carefully as all they send."""

from __future__ import annotations

import binascii
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

import orjson

from backends.errors import Refused
from backends.search.query import Query

LONGEST = 32_768

Key = str | int | float | bool | None


def written(query: Query, keys: Sequence[Key]) -> str:
    """keys: what the last hit was sorted by."""
    return urlsafe_b64encode(orjson.dumps([_asked(query), *keys])).decode()


def read(query: Query, count: int) -> list[Key] | None:
    """The `count` keys; None for the first page. Raises Refused for what is not this query's."""
    if query.after is None:
        return None
    try:
        keys: list[Key]
        asked, *keys = orjson.loads(urlsafe_b64decode(query.after[:LONGEST]))
    except (ValueError, TypeError, binascii.Error):
        raise Refused("search: this is not a cursor") from None
    fits = all(key is None or isinstance(key, str | int | float) for key in keys)
    if asked != _asked(query) or len(keys) != count or not fits or not isinstance(keys[-1], str):
        raise Refused("search: this is not a cursor of the same query")
    return keys


def _asked(query: Query) -> str:
    asked = repr((query.text, query.where, [tuple(sort) for sort in query.sort]))
    return hashlib.sha256(asked.encode(errors="replace")).hexdigest()[:12]
