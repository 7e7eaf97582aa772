"""`ait-gateway auth ...` in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backends.sql import Sql
from plugins.auth.accounts.directory import Directory
from plugins.auth.accounts.hashing import Hashing
from plugins.auth.accounts.options import AccountOptions
from plugins.auth.oauth.authentication import PRIVATE_KEY_JWT
from plugins.auth.oauth.clients import Clients
from tests.engines.postgres import Postgres
from tests.plugins.auth.assertions.asserting import Asserting
from tests.plugins.auth.people import PASSWORD


@pytest.fixture
def config(tmp_path: Path, sql_url: str) -> Path:
    return configured(tmp_path, sql_url)


def configured(folder: Path, sql_url: str) -> Path:
    file = folder / "gateway.yaml"
    file.write_text(
        f'version: 1\nbackends: {{sql: "{sql_url}"}}\n'
        'plugins: {auth: {use: auth, issuer: "http://localhost/auth"}}\n'
        "routes: [{id: auth, match: {path: /auth/**}, plugin: auth, strip_prefix: /auth}]\n"
    )
    return file


def run(config: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", "auth", *words, "-c", str(config)]
    clean = {name: value for name, value in os.environ.items() if name != "AIT_GATEWAY_CONFIG"}
    return subprocess.run(command, capture_output=True, text=True, input=given, env=clean)


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_client_and_a_key_are_made_in_an_empty_database(
    engine: str, tmp_path: Path, postgres: Postgres
) -> None:
    url = postgres.new_database() if engine == "postgres" else f"sqlite:///{tmp_path}/new.db"
    config = configured(tmp_path, url)
    made = run(config, "create-client", "--name", "reports", "--scope", "read write")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["scope"] == "read write"
    assert len(told["client_secret"]) == 43
    key = json.loads(run(config, "rotate-keys").stdout)
    assert key["alg"] == "ES256"


async def test_a_client_that_people_log_in_to_has_no_secret_if_it_is_public(
    config: Path, sql: Sql
) -> None:
    uris = ["--redirect-uri", "http://127.0.0.1/cb", "--redirect-uri", "https://a.example/cb"]
    uris += ["--id-token-alg", "RS256", "--dpop", "--pushed"]
    made = run(config, "create-client", "--public", "--first-party", *uris)
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["redirect_uris"] == ["http://127.0.0.1/cb", "https://a.example/cb"]
    assert told["grant_types"] == ["authorization_code", "refresh_token"]
    assert told["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in told
    client = await Clients(sql).get(told["client_id"])
    assert client is not None
    assert client.metadata == {
        "id_token_signed_response_alg": "RS256",
        "dpop_bound_access_tokens": True,
        "require_pushed_authorization_requests": True,
    }
    assert json.loads(run(config, "rotate-keys").stdout)["alg"] == "ES256"


def test_a_client_that_has_a_key_has_no_secret(config: Path) -> None:
    holder, words = Asserting(), ("create-client", "--auth-method", PRIVATE_KEY_JWT)
    keys = config.parent / "keys.json"
    keys.write_text(json.dumps(holder.jwks))
    made = run(config, *words, "--jwks", str(keys))
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert told["token_endpoint_auth_method"] == PRIVATE_KEY_JWT
    assert "client_secret" not in told
    keys.write_text(json.dumps({"keys": [holder.private]}))
    wrong = run(config, *words, "--jwks", str(keys))
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "public keys alone" in wrong.stderr
    assert holder.private["d"] not in wrong.stderr


async def test_an_admin_has_the_password_of_standard_input(config: Path, sql: Sql) -> None:
    made = run(config, "create-admin", "--email", "root@example.org", given=PASSWORD + "\n")
    assert made.returncode == 0, made.stderr
    directory = Directory(sql, AccountOptions(), Hashing(memory=64, passes=1))
    account = await directory.verify("root@example.org", PASSWORD, "192.0.2.1")
    assert account.roles == {"admin"}
    again = run(config, "create-admin", "--email", "root@example.org", given=PASSWORD + "\n")
    assert (again.returncode, again.stdout) == (2, "")
    assert "there is an account" in again.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["create-client", "--name", "x", "--scope", 'a"b'], "is not a scope"),
        (["create-client", "--redirect-uri", "http://a.example/cb"], "is not https"),
        (["create-client", "--id-token-alg", "HS256"], "HS256"),
        (["create-client", "--jwks", "/nowhere/keys.json"], "No such file"),
        (["create-admin"], "--email"),
        (["dance"], "invalid choice"),
        ([], "COMMAND"),
    ],
)
def test_mistakes_end_with_2_and_a_reason(tmp_path: Path, words: list[str], told: str) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(
        f'version: 1\nbackends: {{sql: "sqlite:///{tmp_path}/a.db"}}\n'
        'plugins: {auth: {use: auth, issuer: "http://localhost/auth"}}\n'
    )
    ended = run(file, *words)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_token_for_registration_comes_last(config: Path) -> None:
    words = ("--scope", "read", "--initial-access-token")
    made = run(config, "create-client", *words)
    assert made.returncode == 0, made.stderr
    *printed, token = made.stdout.splitlines()
    assert json.loads("\n".join(printed))["scope"] == "read"
    assert len(token) == 43
    wrong = run(config, "create-client", "--backchannel-logout-uri", "http://10.0.0.1/")
    assert (wrong.returncode, wrong.stdout) == (2, "")
