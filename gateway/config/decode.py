"""Nodes -> typed values (msgspec structs), with every mistake's place and not only the first.

A decoder is built once for each struct and is a closure `(node, trail, problems) -> value`.
What cannot be decoded is FAILED and reported; the rest of its list, mapping or struct is
still decoded, so that cross references can be checked in the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

from gateway.config import scalars
from gateway.config.model import Named
from gateway.config.nodes import Mapping, Node, Scalar, Sequence, plain
from gateway.config.problems import FAILED, Problems, Trail, quoted, suggestion, wrong
from gateway.config.scalars import Decoder, limited

T = TypeVar("T")


def decode(node: Node, kind: type[T], trail: Trail, problems: Problems) -> T:
    """The value of `node` as a `kind`, or FAILED. Mistakes are added to `problems`.

    Raises TypeError for a type that this module cannot decode: a programmer's mistake.
    """
    return cast(T, decoder_of(inspect.type_info(kind))(node, trail, problems))


def decode_fields(
    node: Mapping, kind: type[msgspec.Struct], trail: Trail, problems: Problems
) -> dict[str, Any]:
    """The fields of the struct `kind` that could be decoded, by attribute name."""
    return struct_of(kind).fields_of(node, trail, problems)


def decoder_of(info: inspect.Type) -> Decoder:
    if isinstance(info, inspect.Metadata):
        extra = info.extra or {}
        if "path" in extra:
            return scalars.file_path
        return scalars.quantity(info) if "parse" in extra else decoder_of(info.type)
    if isinstance(info, inspect.StructType):
        return _named if info.cls is Named else struct_of(info.cls)
    build = BUILDERS.get(type(info))
    if build is None:
        raise TypeError(f"a configuration cannot hold {type(info).__name__}")
    return limited(info, build(info))


class StructDecoder:
    """Decodes a mapping whose keys are the fields of a msgspec struct."""

    def __init__(self, kind: type[msgspec.Struct]) -> None:
        self.kind = kind
        self.fields: dict[str, tuple[str, Decoder]] = {}
        self.required: list[str] = []

    def learn(self) -> None:
        """Apart from the constructor, for structs that hold themselves."""
        for field in cast(inspect.StructType, inspect.type_info(self.kind)).fields:
            self.fields[field.encode_name] = field.name, decoder_of(field.type)
            if field.required:
                self.required.append(field.encode_name)

    def __call__(self, node: Node, trail: Trail, problems: Problems) -> Any:
        if not isinstance(node, Mapping):
            return wrong(node, trail, problems, "a mapping")
        before = len(problems.found)
        values = self.fields_of(node, trail, problems)
        for key in self.required:
            if self.fields[key][0] not in values:
                return FAILED
        try:
            made = self.kind(**values)
        except ValueError as error:
            # With a field missing, what the struct says of itself may not be the file's fault.
            if len(problems.found) == before:
                problems.add(node, trail, str(error))
            return FAILED
        problems.places[id(made)] = node, trail
        return made

    def fields_of(self, node: Mapping, trail: Trail, problems: Problems) -> dict[str, Any]:
        values = {}
        fields = self.fields
        for key, child in node.entries.items():
            field = fields.get(key)
            if field is None:
                self.refuse(key, node, trail, problems)
                continue
            value = field[1](child, (trail, key), problems)
            if value is not FAILED:
                values[field[0]] = value
        for key in self.required:
            if key not in node.entries:
                problems.add(node, trail, f"the key {key!r} is missing")
        return values

    def refuse(self, key: str, node: Mapping, trail: Trail, problems: Problems) -> None:
        free = [name for name in self.fields if name not in node.entries]
        message = f"unknown key {quoted(key)}{suggestion(key, free)}"
        problems.add(node.keys[key], (trail, key), message)


_STRUCTS: dict[type[msgspec.Struct], StructDecoder] = {}


def struct_of(kind: type[msgspec.Struct]) -> StructDecoder:
    found = _STRUCTS.get(kind)
    if found is None:
        found = _STRUCTS[kind] = StructDecoder(kind)
        try:
            found.learn()
        except BaseException:
            del _STRUCTS[kind]
            raise
    return found


def _named(node: Node, trail: Trail, problems: Problems) -> Any:
    """The options stay nodes until the class that `use` names is known."""
    if not isinstance(node, Mapping):
        return wrong(node, trail, problems, "a mapping with the key 'use'")
    if "use" not in node.entries:
        problems.add(node, trail, "the key 'use' is missing")
        return FAILED
    use = scalars.string(node.entries["use"], (trail, "use"), problems)
    if use is FAILED:
        return FAILED
    made = Named(use=use, options=node.without("use"))
    problems.places[id(made)] = node, trail
    return made


def _several(make: Callable[[Iterable[Any]], Any]) -> Callable[[Any], Decoder]:
    def build(info: Any) -> Decoder:
        item = decoder_of(info.item_type)

        def decode_several(node: Node, trail: Trail, problems: Problems) -> Any:
            if not isinstance(node, Sequence):
                return wrong(node, trail, problems, "a list")
            values = [item(child, (trail, at), problems) for at, child in enumerate(node.items)]
            return make(value for value in values if value is not FAILED)

        return decode_several

    return build


def _dict(info: inspect.DictType) -> Decoder:
    if not isinstance(info.key_type, inspect.StrType):
        raise TypeError("a configuration cannot hold keys that are not strings")
    value_of = decoder_of(info.value_type)

    def decode_dict(node: Node, trail: Trail, problems: Problems) -> Any:
        if not isinstance(node, Mapping):
            return wrong(node, trail, problems, "a mapping")
        values = {
            key: value_of(child, (trail, key), problems) for key, child in node.entries.items()
        }
        return {key: value for key, value in values.items() if value is not FAILED}

    return decode_dict


def _union(info: inspect.UnionType) -> Decoder:
    """Tries the alternatives that the node's shape allows, the pickiest first."""
    alternatives: dict[type[Node], list[Decoder]] = {Scalar: [], Sequence: [], Mapping: []}
    kinds = sorted(info.types, key=_eagerness)
    for kind in kinds:
        alternatives[shape_of(kind)].append(decoder_of(kind))
    fallback = next(each for each in alternatives.values() if each)

    def decode_union(node: Node, trail: Trail, problems: Problems) -> Any:
        candidates = alternatives.get(type(node)) or fallback
        for candidate in candidates:
            attempt = Problems(problems.file, problems.folder)
            attempt.places = problems.places
            value = candidate(node, trail, attempt)
            if not attempt.found:
                return value
        problems.found += attempt.found
        return FAILED

    return decode_union


def _eagerness(info: inspect.Type) -> int:
    """Strings take whatever was substituted, so they come last; null is hardly ever meant."""
    if isinstance(info, inspect.Metadata):
        return _eagerness(info.type)
    return {inspect.NoneType: 0, inspect.StrType: 2}.get(type(info), 1)


def shape_of(info: inspect.Type) -> type[Node]:
    while isinstance(info, inspect.Metadata):
        if info.extra and "parse" in info.extra:
            return Scalar
        info = info.type
    if isinstance(info, inspect.StructType | inspect.DictType):
        return Mapping
    return Sequence if type(info) in COLLECTIONS else Scalar


COLLECTIONS: dict[type[inspect.Type], Callable[[Any], Decoder]] = {
    inspect.ListType: _several(list),
    inspect.VarTupleType: _several(tuple),
    inspect.SetType: _several(set),
    inspect.FrozenSetType: _several(frozenset),
}
BUILDERS: dict[type[inspect.Type], Callable[[Any], Decoder]] = {
    **COLLECTIONS,
    inspect.DictType: _dict,
    inspect.UnionType: _union,
    inspect.LiteralType: scalars.choice,
    inspect.StrType: lambda info: scalars.string,
    inspect.BoolType: lambda info: scalars.boolean,
    inspect.IntType: lambda info: scalars.integer,
    inspect.FloatType: lambda info: scalars.number,
    inspect.NoneType: lambda info: scalars.nothing,
    inspect.AnyType: lambda info: lambda node, trail, problems: plain(node),
}
