"""Who acts on what is somebody else's."""

from __future__ import annotations

from typing import NamedTuple


class Actor(NamedTuple):
    """name: `account:ID`, `client:ID` or `command`. address: from where."""

    name: str
    address: str


COMMAND = Actor("command", "127.0.0.1")
