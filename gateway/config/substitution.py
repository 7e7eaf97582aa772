"""`${NAME}`, `${NAME:-default}` and `${file:/run/secrets/x}` in values.

Environment names are [A-Z_][A-Z0-9_]*. Any other `${..}` (`${jwt.sub}`, `${header:x}`) is a
middleware's own and stays as it is. `$${` is a literal `${`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

FILE_LIMIT = 1024 * 1024
PLACE = re.compile(
    r"(?P<escape>\$\$\{)"
    r"|\$\{(?P<name>[A-Z_][A-Z0-9_]*)(?::-(?P<default>[^}]*))?\}"
    r"|\$\{file:(?P<file>[^}]*)\}"
)


class Substitution:
    """Where values come from: an environment, and files read against `folder`.

    `secrets` is all that was put into texts so far, and the texts that came of it.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.environment = environment
        self.folder = folder
        self.secrets: set[str] = set()

    def __call__(self, text: str) -> tuple[str, tuple[str, ...], bool]:
        """The new text, what was put into it, and whether one substitution is all of it.

        Raises ValueError, which names the variable or file and never a value.
        """
        secrets: list[str] = []

        def replace(found: re.Match[str]) -> str:
            if found["escape"]:
                return "${"
            value = self._from_file(found) if found["name"] is None else self._from_name(found)
            secrets.append(value)
            return value

        result = PLACE.sub(replace, text)
        if secrets:
            self.secrets.update(secrets, (result,))
        whole = PLACE.fullmatch(text)
        return result, tuple(secrets), whole is not None and not whole["escape"]

    def _from_name(self, found: re.Match[str]) -> str:
        name, default = found["name"], found["default"]
        if default is None:
            if name not in self.environment:
                raise ValueError(f"the environment variable {name} is not set")
            return self.environment[name]
        if "${" in default:
            raise ValueError(f"the default of {name} cannot hold another ${{..}}")
        return self.environment.get(name) or default

    def _from_file(self, found: re.Match[str]) -> str:
        path = self.folder / found["file"]
        if not os.path.isfile(path):
            raise ValueError(f"there is no file {path}")
        try:
            with path.open("rb") as file:
                content = file.read(FILE_LIMIT + 1)
        except OSError as error:
            raise ValueError(f"cannot read {path}: {error.strerror}") from None
        if len(content) > FILE_LIMIT:
            raise ValueError(f"{path} is larger than 1 MiB")
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise ValueError(f"{path} is not UTF-8 text") from None
        return text.removesuffix("\n").removesuffix("\r")
