"""The audit log as a file: NDJSON, or CSV for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import msgspec
import orjson

from plugins.auth.audit.reading import Line

Written = Callable[[Sequence[Line]], bytes]
HEADS = Line.__struct_fields__
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def ndjson(lines: Sequence[Line]) -> bytes:
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def csv_rows(lines: Sequence[Line]) -> bytes:
    """RFC 4180, without the heads. What a spreadsheet would compute has an apostrophe before."""
    text = io.StringIO()
    writer = csv.writer(text)
    for line in lines:
        values = [getattr(line, name) for name in HEADS]
        writer.writerow([*(_cell(each) for each in values[:-1]), orjson.dumps(values[-1]).decode()])
    return text.getvalue().encode()


FORMATS: Mapping[str, tuple[str, bytes, Written]] = {
    "ndjson": ("application/x-ndjson", b"", ndjson),
    "csv": ("text/csv", ",".join(HEADS).encode() + b"\r\n", csv_rows),
}
"""By name: media type, what comes first, and lines."""


async def exported(lines: AsyncIterator[Sequence[Line]], kind: str) -> AsyncIterator[bytes]:
    """kind: a name of FORMATS."""
    _, head, written = FORMATS[kind]
    if head:
        yield head
    async for some in lines:
        yield written(some)


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
