"""Takes passwords out of text that people will read."""

from __future__ import annotations

import re
from typing import Any

# `host`, `host:port`, `[v6]:port`: what stands before a path whose own `@` is no userinfo's.
BARE_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]*\]|[^:@\[\]]*)(?::\d{0,5})?")
HIDDEN = "***"


def redact(text: str) -> str:
    """`scheme://user:password@host` becomes `scheme://***@host` wherever it stands.

    So is one with a raw `@` in it, or a raw `/` unless what precedes it reads like a port.
    Takes linear time.
    """
    if "://" not in text or "@" not in text:
        return text
    return re.sub(r"\S+", _redact_word, text)


def redacted(value: Any) -> Any:
    """The same for every string in a tree of mappings and lists."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {name: redacted(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(each) for each in value]
    return value


def _redact_word(word: re.Match[str]) -> str:
    first, *authorities = word[0].split("://")
    return "://".join([first, *map(_redact_authority, authorities)])


def _redact_authority(text: str) -> str:
    userinfo, at, host = text.rpartition("@")
    if not at:
        return text
    before_path, slash, _ = userinfo.partition("/")
    if slash and BARE_HOST.fullmatch(before_path):
        return text
    return f"{HIDDEN}@{host}"
