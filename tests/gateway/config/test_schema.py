from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from gateway.config import read
from gateway.config.nodes import plain
from gateway.config.schema import file_schema
from gateway.loader import bundled_middlewares, bundled_plugins
from tests.gateway.config.files import written
from tests.gateway.config.test_check import SAMPLE
from tests.gateway.config.test_decode import Options

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = file_schema(bundled_middlewares(), bundled_plugins())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_committed_schema_is_current() -> None:
    schema = file_schema(bundled_middlewares(), bundled_plugins())
    assert msgspec.json.decode((ROOT / "config" / "schema.json").read_bytes()) == schema, (
        "run: ait-gateway schema > config/schema.json"
    )


def test_the_sample_of_the_design_is_accepted(
    validator: jsonschema.Draft202012Validator, tmp_path: Path
) -> None:
    validator.validate(plain(read(written(tmp_path, SAMPLE), {}).source.root))


def without_nothing(value: object) -> object:
    """`${NAME:-}` is empty text for what takes text; read without a type, it is null."""
    if isinstance(value, dict):
        return {name: without_nothing(each) for name, each in value.items() if each is not None}
    return [without_nothing(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "path", sorted((ROOT / "config").rglob("*.yaml")), ids=lambda path: path.stem
)
def test_every_file_in_config_is_accepted(
    validator: jsonschema.Draft202012Validator, path: Path
) -> None:
    validator.validate(without_nothing(plain(read(path, {}).source.root)))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"version": 2},
        {"version": 1, "unknown": 1},
        {"version": 1, "server": {"drain": 5}},
        {"version": 1, "server": {"drain": "5 min"}},
        {"version": 1, "server": {"workers": "1"}},
        {"version": 1, "server": {"listen": []}},
        {"version": 1, "upstreams": {"a": {"targets": []}}},
        {"version": 1, "routes": [{"id": "a"}]},
        {"version": 1, "middlewares": {"a": {}}},
        {"version": 1, "middlewares": {"a": {"use": "rate_limit", "rate": 5}}},
        {"version": 1, "middlewares": {"a": {"use": "rate_limit", "rate": "5/s", "x": 1}}},
    ],
)
def test_what_the_gateway_refuses_the_schema_refuses(
    validator: jsonschema.Draft202012Validator, document: object
) -> None:
    assert not validator.is_valid(document)


@pytest.mark.parametrize(
    "document",
    [
        {"version": 1, "server": {"drain": "${DRAIN:-5s}", "workers": "${WORKERS}"}},
        {"version": 1, "defaults": {"limits": {"body": 512, "headers": "${file:/x}"}}},
        {"version": 1, "middlewares": {"a": {"use": "./mine.py:Mine", "anything": 1}}},
        {"version": 1, "server": {"listen": [{"address": "localhost:1"}], "admin": None}},
    ],
)
def test_what_the_gateway_takes_the_schema_takes(
    validator: jsonschema.Draft202012Validator, document: object
) -> None:
    validator.validate(document)


def test_every_type_that_options_may_have_has_a_schema() -> None:
    class Kind:
        pass

    kind: Any = Kind
    kind.Options = Options
    schema = file_schema({"all": kind}, {})
    jsonschema.Draft202012Validator.check_schema(schema)
    options = schema["$defs"]["middleware.all"]["properties"]
    assert options["use"] == {"const": "all"}
    assert options["nothing"] == {"type": "null"}
    assert options["anything"] == {}
    assert options["re-named"] == {"type": "string", "default": ""}
    assert options["code"] == {
        "type": "string",
        "pattern": "^[a-z]+$",
        "minLength": 2,
        "maxLength": 3,
        "default": "abc",
    }


def test_two_structs_of_one_name_are_kept_apart() -> None:
    class Timeout(msgspec.Struct):
        x: int = 0

    class Kind:
        pass

    kind: Any = Kind
    kind.Options = msgspec.defstruct("Options", [("timeout", Timeout)])
    definitions = file_schema({"one": kind}, {})["$defs"]
    assert definitions["Timeout"] != definitions["test_schema.Timeout"]
