"""JSON Schema 2020-12 of the whole file, for editors; made from the types, never by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec
from msgspec import inspect

from gateway.config.model import Config, Named

Schema = dict[str, Any]
Bundled = Mapping[str, type[Any]]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SUBSTITUTED: Schema = {
    "type": "string",
    "pattern": r"\$\{([A-Z_][A-Z0-9_]*(:-[^}]*)?|file:[^}]*)\}",
    "description": "From the environment or a file: ${NAME}, ${NAME:-default}, ${file:/path}.",
}
WORDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "pattern": "pattern",
}


def file_schema(middlewares: Bundled, plugins: Bundled) -> Schema:
    """The schema of a file, given the bundled classes by name."""
    walk = _Walk()
    root = walk.struct(Config)
    root["properties"]["middlewares"] = walk.named("middleware", middlewares)
    root["properties"]["plugins"] = walk.named("plugin", plugins)
    return {
        "$schema": DIALECT,
        "title": "ait-gateway",
        **root,
        "$defs": {"substituted": SUBSTITUTED, **dict(sorted(walk.definitions.items()))},
    }


class _Walk:
    """Schemas of types; structs go to `definitions`, once each."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self.names: dict[type[Any], str] = {}

    def of(self, info: inspect.Type) -> Schema:
        if isinstance(info, inspect.Metadata):
            words = info.extra_json_schema or {}
            if info.extra and "parse" in info.extra:
                return {**self.quantity(info), **words}
            return {**self.of(info.type), **words}
        if isinstance(info, inspect.StructType):
            return {"$ref": f"#/$defs/{self.reference(info.cls)}"}
        if isinstance(info, inspect.UnionType):
            return {"anyOf": [self.of(each) for each in info.types]}
        return SHAPES[type(info)](self, info)

    def reference(self, kind: type[Any]) -> str:
        if kind not in self.names:
            name = kind.__name__
            if name in self.definitions:
                name = f"{kind.__module__.rpartition('.')[2]}.{name}"
            self.names[kind] = name
            self.definitions[name] = {}
            self.definitions[name] = self.any_use() if kind is Named else self.struct(kind)
        return self.names[kind]

    def struct(self, kind: type[msgspec.Struct]) -> Schema:
        fields = cast(inspect.StructType, inspect.type_info(kind)).fields
        schema: Schema = {"type": "object", "additionalProperties": False}
        if kind.__doc__:
            schema["description"] = " ".join(kind.__doc__.split())
        schema["properties"] = {
            field.encode_name: {**self.of(field.type), **_default(field)} for field in fields
        }
        if required := [field.encode_name for field in fields if field.required]:
            schema["required"] = required
        return schema

    def named(self, noun: str, bundled: Bundled) -> Schema:
        """Entries of `middlewares:` or `plugins:`; those that are bundled are known whole."""
        cases = []
        for name, kind in sorted(bundled.items()):
            options = self.struct(kind.Options)
            options["properties"] = {"use": {"const": name}, **options["properties"]}
            self.definitions[f"{noun}.{name}"] = options
            condition = {"properties": {"use": {"const": name}}, "required": ["use"]}
            cases.append({"if": condition, "then": {"$ref": f"#/$defs/{noun}.{name}"}})
        entry = self.any_use()
        if cases:
            entry["allOf"] = cases
        return {"type": "object", "additionalProperties": entry}

    def any_use(self) -> Schema:
        return {
            "type": "object",
            "properties": {
                "use": {
                    "type": "string",
                    "description": "A bundled name, an entry point's name, or path.py[:Class].",
                }
            },
            "required": ["use"],
        }

    def quantity(self, info: inspect.Metadata) -> Schema:
        extra = info.extra or {}
        text: Schema = {"type": "string", "pattern": f"^({extra['pattern']})$"}
        choices = [text, {"$ref": "#/$defs/substituted"}]
        if extra["numbers"]:
            choices.insert(0, _number(self, info.type))
        return {"anyOf": choices}


def _default(field: inspect.Field) -> Schema:
    kind = field.type
    plain = not isinstance(kind, inspect.Metadata) and isinstance(field.default, bool | int | str)
    return {"default": field.default} if plain else {}


def _limits(info: Any, sizes: tuple[str, str] = ("minLength", "maxLength")) -> Schema:
    words = {**WORDS, "min_length": sizes[0], "max_length": sizes[1]}
    return {
        word: bound
        for name, word in words.items()
        if (bound := getattr(info, name, None)) is not None
    }


def _or_substituted(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"$ref": "#/$defs/substituted"}]}


def _number(_: _Walk, info: Any) -> Schema:
    kind = "integer" if isinstance(info, inspect.IntType) else "number"
    return {"type": kind, **_limits(info)}


def _list(walk: _Walk, info: Any) -> Schema:
    limits = _limits(info, ("minItems", "maxItems"))
    return {"type": "array", "items": walk.of(info.item_type), **limits}


def _dict(walk: _Walk, info: inspect.DictType) -> Schema:
    limits = _limits(info, ("minProperties", "maxProperties"))
    return {"type": "object", "additionalProperties": walk.of(info.value_type), **limits}


SHAPES: dict[type[inspect.Type], Callable[[_Walk, Any], Schema]] = {
    inspect.StrType: lambda walk, info: {"type": "string", **_limits(info)},
    inspect.BoolType: lambda walk, info: _or_substituted({"type": "boolean"}),
    inspect.IntType: lambda walk, info: _or_substituted(_number(walk, info)),
    inspect.FloatType: lambda walk, info: _or_substituted(_number(walk, info)),
    inspect.NoneType: lambda walk, info: {"type": "null"},
    inspect.LiteralType: lambda walk, info: _or_substituted({"enum": list(info.values)}),
    inspect.AnyType: lambda walk, info: {},
    inspect.ListType: _list,
    inspect.VarTupleType: _list,
    inspect.SetType: _list,
    inspect.FrozenSetType: _list,
    inspect.DictType: _dict,
}
