"""What is wrong with a file: every mistake at once, each with its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gateway.errors import GatewayError


class ConfigProblem(NamedTuple):
    """One mistake. Lines and columns count from 1; `path` is dotted and empty at the root."""

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        return ": ".join(part for part in (where, self.path, self.message) if part)


class ConfigErrors(GatewayError):
    """The file cannot be used. `errors` are in the file's order; str() is a line for each."""

    def __init__(self, errors: Iterable[ConfigProblem]) -> None:
        self.errors = sorted(dict.fromkeys(errors), key=lambda problem: problem[1:3])
        super().__init__("\n".join(map(str, self.errors)))
