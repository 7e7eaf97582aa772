"""From names to classes: which middleware and plugin each entry uses, and its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec

from backends.catalogue import EMBEDDED
from gateway.config.check import several
from gateway.config.decode import struct_of
from gateway.config.model import Config, Named
from gateway.config.nodes import plain
from gateway.config.problems import FAILED, Problems
from gateway.errors import LoadError

if TYPE_CHECKING:
    from gateway.config import Loaded
    from gateway.middleware import AnyMiddleware
    from gateway.plugin import AnyPlugin

T = TypeVar("T")


class Use(NamedTuple, Generic[T]):
    """A class, its decoded options, and a key: while it stays equal, an instance can be kept.

    The key holds secrets: compare it, never show it.
    """

    kind: type[T]
    options: msgspec.Struct
    key: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A file without mistakes, its classes found. `folder` is what its paths are read against.

    secrets: texts that came from the environment or from files, to be kept off screens.
    """

    config: Config
    folder: Path
    middlewares: Mapping[str, Use[AnyMiddleware]]
    plugins: Mapping[str, Use[AnyPlugin]]
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


def resolve(
    loaded: Loaded,
    middleware_class: Callable[[str, Path], type[AnyMiddleware]],
    plugin_class: Callable[[str, Path], type[AnyPlugin]],
) -> Resolved:
    """Raises ConfigErrors with every mistake of the file, those of `loaded` among them."""
    config, source, problems = loaded.config, loaded.source, loaded.problems
    found = Problems(source.file, source.folder)
    found.found += problems.found
    found.places = problems.places
    plugins = _uses("plugins", config.plugins, plugin_class, source.folder, found)
    middlewares = _uses("middlewares", config.middlewares, middleware_class, source.folder, found)
    _needed(config, plugins, found)
    found.raise_if_any()
    return Resolved(config, source.folder, middlewares, plugins, source.secrets)


def _needed(config: Config, plugins: Mapping[str, Use[AnyPlugin]], problems: Problems) -> None:
    """What a plugin needs and cannot be had, or would reach only the worker that says it."""
    for name, plugin in plugins.items():
        for capability in plugin.kind.needs:
            if capability not in EMBEDDED:
                reason = f"needs a backend {capability!r}, and there is no such capability"
            elif (url := config.backends.get(capability, EMBEDDED[capability])) is None:
                reason = f"needs backends.{capability}, which has no default: set its URL"
            elif capability == "events" and url.startswith("memory:") and several(config, problems):
                reason = "needs backends.events, and memory:// reaches only one of several workers"
            else:
                continue
            problems.add(*problems.place(config.plugins[name], "use"), f"{name} {reason}")


def decode_options(named: Named, kind: type[msgspec.Struct], problems: Problems) -> Any:
    """The options of an entry as its class's `Options`, or FAILED with problems added."""
    _, trail = problems.place(named)
    return struct_of(kind)(named.options, trail, problems)


def _there(named: Named, options: msgspec.Struct, folder: Path, problems: Problems) -> None:
    """Whether the files are there that the options, if they can say so, need."""

    def exists(path: str) -> None:
        if not (folder / path).is_file():
            raise ValueError("there is no such file")

    for key in getattr(options, "files", ()):
        problems.check_texts(named, key, exists)


def _uses(
    section: str,
    entries: dict[str, Named],
    find: Callable[[str, Path], type[Any]],
    folder: Path,
    problems: Problems,
) -> dict[str, Use[Any]]:
    found = {}
    for name, named in entries.items():
        try:
            kind = find(named.use, folder)
        except LoadError as error:
            problems.add(*problems.place(named, "use"), str(error))
            continue
        options = decode_options(named, kind.Options, problems)
        if options is not FAILED:
            _there(named, options, folder, problems)
            found[name] = Use(kind, options, (kind, named.use, plain(named.options)))
    return found
