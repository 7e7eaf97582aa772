"""Permissions: `resource:action`.

A resource is a path such as `documents/42`; `documents/**` is `documents` and all below, `**`
is everything. An action is a word; `*` is any. There are no other wildcards, so that a check
looks a handful of strings up, however many permissions there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}", re.ASCII)
SEGMENT = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9_.@~+=:-]{1,100}"
RESOURCE = re.compile(rf"{SEGMENT}(?:/{SEGMENT}){{0,15}}", re.ASCII)
ACTION = re.compile(r"[a-z][a-z0-9_.-]{0,49}", re.ASCII)
LONGEST = 300
MOST = 200
"""Permissions of one role or scope."""


def checked(permission: str) -> str:
    """Raises ValueError."""
    resource, colon, action = permission.rpartition(":")
    if not colon or not (action == "*" or ACTION.fullmatch(action)):
        raise ValueError("a permission is resource:action, such as documents/**:read")
    if resource != "**":
        plain = resource.removesuffix("/**")
        if len(plain) > LONGEST or not RESOURCE.fullmatch(plain):
            raise ValueError("a permission is resource:action, such as documents/**:read")
    return permission


def joined(permissions: Iterable[str]) -> str:
    """As they are kept. Raises ValueError."""
    found = sorted({checked(each) for each in permissions})
    if len(found) > MOST:
        raise ValueError(f"{MOST} permissions at most")
    return " ".join(found)


def covering(action: str, resource: str) -> frozenset[str]:
    """Every permission that would do; none for what is no action or no resource."""
    if not ACTION.fullmatch(action) or len(resource) > LONGEST or not RESOURCE.fullmatch(resource):
        return frozenset()
    parts = resource.split("/")
    patterns = [resource, "**"]
    patterns += ["/".join(parts[:end]) + "/**" for end in range(1, len(parts) + 1)]
    return frozenset(f"{pattern}:{act}" for pattern in patterns for act in (action, "*"))


def within(prefix: str, permission: str) -> str:
    """The permission for what lies below the prefix."""
    return f"{prefix}/{permission}"


def name_of(text: str) -> str:
    """Of a role or group. Raises ValueError."""
    if not NAME.fullmatch(text):
        raise ValueError("a name has small letters, digits, dots, dashes and underscores")
    return text


def description(text: str) -> str:
    """Of a role, scope or group. Raises ValueError."""
    return words(text, 200, "a description")


def words(text: str, most: int, what: str) -> str:
    """What people read: one line, trimmed. Raises ValueError."""
    text = text.strip()
    if len(text) > most or not text.isprintable():
        raise ValueError(f"{what} is one line of at most {most} characters")
    return text
