"""The configuration room: a YAML file in, typed and checked configuration out.

    loaded = read(path)                                         # nothing refused yet
    resolved = resolve(loaded, middleware_class, plugin_class)  # or every mistake at once

`load` is for who needs no classes. Reading is YAML -> nodes (source) -> structs (decode) ->
cross references (check); a mistake in one does not hide those in another.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.config.check import check
from gateway.config.decode import decode_fields
from gateway.config.errors import ConfigErrors, ConfigProblem
from gateway.config.model import Config
from gateway.config.problems import Problems
from gateway.config.resolve import Resolved, Use, resolve
from gateway.config.source import Source, parse, read_file
from gateway.config.substitution import Substitution

__all__ = [
    "Config",
    "ConfigErrors",
    "ConfigProblem",
    "Loaded",
    "Resolved",
    "Use",
    "load",
    "read",
    "resolve",
]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file as far as it could be understood. Only without problems is `config` the truth."""

    config: Config
    source: Source
    problems: Problems


def load(path: Path, environment: Mapping[str, str] | None = None) -> Loaded:
    """The file, checked but for the options of middlewares and plugins. Raises ConfigErrors."""
    loaded = read(path, environment)
    loaded.problems.raise_if_any()
    return loaded


def read(
    path: Path, environment: Mapping[str, str] | None = None, content: bytes | None = None
) -> Loaded:
    """The file with all its problems. Raises ConfigErrors only where it is not YAML at all.

    `environment` is for `${NAME}`; without it the process's own. `content` is what the file
    held when somebody read it before.
    """
    problems = Problems(str(path), path.parent)
    substitution = Substitution(os.environ if environment is None else environment, path.parent)
    with _collector_paused():
        root = parse(read_file(path) if content is None else content, substitution, problems)
        source = Source(str(path), path.parent, root, frozenset(substitution.secrets))
        fields = decode_fields(root, Config, None, problems)
        config = Config(**{"version": 1, **fields})
        check(config, source, problems)
    return Loaded(config, source, problems)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A big file is a million objects, none of them garbage: looking costs more than reading."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
