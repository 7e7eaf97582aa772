from __future__ import annotations

from pathlib import Path

from gateway.cli.routes import as_text, compiled
from tests.gateway.config.files import resolved

TABLE = """\
version: 1
plugins: {status: {use: ./status.py}}
upstreams: {users: {targets: [{url: "http://127.0.0.1:9000"}]}}
middlewares:
  guard: {use: body_limit, max: 1KiB}
  browsers: {use: cors, origins: ["https://example.com"]}
routes:
  - {id: rest, match: {path: /**}, upstream: users}
  - {id: new, match: {path: /new/**, methods: [GET]}, redirect: {to: "/{1}", status: 307}}
  - {id: ping, match: {path: /ping}, respond: {}}
  - id: api
    match: {path: "/users/{id}", hosts: [a.example.com, "*.b.example.com"], methods: [GET, PUT]}
    middlewares: [guard, browsers]
    plugin: status
"""
STATUS = "from gateway import Plugin\n\n\nclass Status(Plugin):\n    pass\n"


def test_routes_stand_in_the_order_of_precedence(tmp_path: Path) -> None:
    (tmp_path / "status.py").write_text(STATUS)
    lines = as_text(compiled(resolved(tmp_path, TABLE))).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "ID HOSTS METHODS PATH MIDDLEWARES ENDPOINT",
        "api a.example.com,*.b.example.com GET,PUT /users/{id} guard,browsers plugin status",
        "ping * * /ping - respond 200",
        "new * GET /new/** - redirect 307 /{1}",
        "rest * * /** - upstream users",
    ]
    starts = {line.index("/") for line in lines[1:]}
    assert starts == {lines[0].index("PATH")}


def test_conditions_have_a_column_where_there_are_any(tmp_path: Path) -> None:
    text = (
        "version: 1\nroutes:\n"
        "  - {id: a, match: {path: /a, headers: {x: '2'}, query: {k: '${SECRET}'}}, respond: {}}\n"
        "  - {id: b, match: {path: /b}, respond: {}}\n"
    )
    table = as_text(compiled(resolved(tmp_path, text, {"SECRET": "hunter2"}))).splitlines()
    assert table[0].endswith("  IF")
    assert table[1].endswith("  x: 2, ?k=***")
    assert table[2].endswith("  -")


def test_a_table_may_be_empty(tmp_path: Path) -> None:
    table = as_text(compiled(resolved(tmp_path, "version: 1")))
    assert table == "ID  HOSTS  METHODS  PATH  MIDDLEWARES  ENDPOINT"
