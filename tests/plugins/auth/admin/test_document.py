"""The OpenAPI document is one, and says what is there."""

from __future__ import annotations

from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.plugins.auth.admin.conftest import Desk


async def read(desk: Desk) -> dict[str, Any]:
    async with desk.session.get(f"{desk.root}/openapi.json") as answer:
        assert answer.status == 200
        found: dict[str, Any] = await answer.json()
        return found


async def test_it_is_openapi_3_1(desk: Desk) -> None:
    found = await read(desk)
    OpenAPIV31SpecValidator(found).validate()
    assert found["servers"] == [{"url": "http://localhost/auth"}]
    names = [each["operationId"] for path in found["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))


async def test_every_operation_of_it_is_there_and_guarded(desk: Desk) -> None:
    """A stranger is asked for a token by all of the API, and finds all of the rest."""
    for path, methods in (await read(desk))["paths"].items():
        for method in methods:
            place = desk.root + path.replace("{", "").replace("}", "")
            async with desk.session.request(method, place) as answer:
                if path.startswith("/admin"):
                    assert answer.status == 401, path
                else:
                    assert answer.status not in {404, 405, 500}, path


async def test_6_4_6_no_operator_chooses_a_password(desk: Desk) -> None:
    found = await read(desk)
    fields = {
        name for each in found["components"]["schemas"].values() for name in each["properties"]
    }
    assert {"email", "roles", "disabled"} <= fields
    assert not {name for name in fields if "password" in name} - {"has_password"}
    assert "/admin/users/{id}/password-reset" in found["paths"]


async def test_the_metadata_and_the_document_name_the_same_endpoints(desk: Desk) -> None:
    url = f"{desk.root}/.well-known/oauth-authorization-server"
    async with desk.session.get(url) as answer:
        metadata = await answer.json()
    named = {
        value.removeprefix("http://localhost/auth")
        for name, value in metadata.items()
        if name.endswith("_endpoint") or name == "jwks_uri"
    }
    paths = (await read(desk))["paths"]
    assert named <= set(paths)
    for path in ("/token", "/introspect", "/revoke", "/par", "/device_authorization"):
        form = paths[path]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]
        assert {"client_secret", "client_assertion"} <= form["schema"]["properties"].keys()
