"""Templates made into answers that a browser may only show."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from plugins.auth.cookies import cookie_of
from plugins.auth.pages.forms import new_token
from plugins.auth.pages.marking import marks
from plugins.auth.pages.spanish import SPANISH

FIELD = Markup('<input type="hidden" name="csrf" value="{}">')
HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""No form-action: browsers apply it to redirects as well, and log-ins end at clients."""
SAFETY = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
SAID = {"saved": "Saved.", "invited": "The invitation is on its way."}
"""By the parameter `said`: what a page that was led to says is done."""
FOR_GOOD = "max-age=31536000, immutable"
STYLES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Pages:
    """theme: a folder whose templates and static files are taken before the plugin's own."""

    def __init__(self, issuer: str, name: str, theme: Path | None = None) -> None:
        parts = urlsplit(issuer)
        self.base = parts.path.rstrip("/")
        self.name = name
        self._secure = parts.scheme == "https"
        self.csrf_cookie = "__Host-auth-csrf" if self._secure else "auth-csrf"
        self._language = "__Host-auth-language" if self._secure else "auth-language"
        folders = (HERE,) if theme is None else (theme, HERE)
        self._environment = _environment(folders)
        self._static = _static([folder / "static" for folder in reversed(folders)])
        self._version = _version(self._static)
        self._places: dict[str, str] = {}

    def place(self, path: str, name: str) -> None:
        """A page of people's own account, in the order they are named on all of them."""
        self._places[path] = name

    def render(
        self,
        request: web.Request,
        template: str,
        *,
        status: int = 200,
        wrong: str = "",
        **values: Any,
    ) -> web.Response:
        """In the language the reader prefers, with a CSRF token for its forms (`csrf_field`).

        wrong: the field that `error` is about.
        """
        language = self.language(request)
        token = cookie_of(request, self.csrf_cookie)
        fresh = not token
        token = token or new_token()
        text = self._environment.get_template(template).render(
            _=SPANISH.__getitem__ if language == "es" else str,
            language=language,
            site=self.name,
            base=self.base,
            version=self._version,
            places=self._places,
            at=request.path,
            csrf_field=FIELD.format(token),
            marks=marks(wrong),
            said=SAID.get(request.query.get("said", "")),
            **values,
        )
        response = web.Response(text=text, content_type="text/html", status=status, headers=SAFETY)
        response.headers["Content-Language"] = language
        response.headers["Vary"] = "Accept-Language, Cookie"
        if fresh:
            self._keep(response, self.csrf_cookie, token)
        if (asked := _asked(request)) and request.cookies.get(self._language) != asked:
            self._keep(response, self._language, asked)
        return response

    def say(self, request: web.Request, text: str) -> str:
        """The English text in the reader's language."""
        return SPANISH[text] if self.language(request) == "es" else text

    def redirect(self, path: str, said: str = "") -> web.Response:
        """To a path of ours, with GET. said: of SAID."""
        where = self.base + path + (f"?said={said}" if said else "")
        return web.Response(status=303, headers={"Location": where, **SAFETY})

    def language(self, request: web.Request) -> str:
        """`ui_locales` (OpenID Connect Core 3.1.2.1), also of an earlier page, before the
        browser's own wishes."""
        kept = request.cookies.get(self._language, "")
        accepted = request.headers.get("Accept-Language", "")[:200].split(",")
        return _asked(request) or _spoken([kept, *accepted]) or "en"

    def _keep(self, response: web.Response, cookie: str, value: str) -> None:
        """Until the browser is closed."""
        response.set_cookie(
            cookie, value, path="/", secure=self._secure, httponly=True, samesite="Lax"
        )

    async def static(self, request: web.Request) -> web.Response:
        """Kept by browsers for good where pages ask for this very version."""
        found = self._static.get(request.match_info["file"])
        if found is None:
            raise web.HTTPNotFound
        age = FOR_GOOD if request.query_string == self._version else "max-age=60"
        headers = {"Cache-Control": age, "X-Content-Type-Options": "nosniff"}
        return web.Response(body=found[0], content_type=found[1], headers=headers)


@cache
def _environment(folders: tuple[Path, ...]) -> Environment:
    """What is compiled outlives a reload; a template that has changed is read again."""
    return Environment(
        loader=FileSystemLoader([folder / "templates" for folder in folders]),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _asked(request: web.Request) -> str:
    """By `ui_locales`: `en`, `es` or nothing."""
    return _spoken(request.query.get("ui_locales", "")[:100].split())


def _spoken(wishes: Iterable[str]) -> str:
    """The first language that there is."""
    wanted = (wish.partition(";")[0].strip()[:2].lower() for wish in wishes)
    return next((each for each in wanted if each in {"en", "es"}), "")


def _version(files: Mapping[str, tuple[bytes, str]]) -> str:
    """Another one when any of them has changed."""
    found = hashlib.sha256()
    for name, (content, _) in sorted(files.items()):
        found.update(f"{name} {len(content)} ".encode() + content)
    return found.hexdigest()[:12]


def _static(folders: Sequence[Path]) -> dict[str, tuple[bytes, str]]:
    return {
        path.name: (path.read_bytes(), STYLES[path.suffix])
        for folder in folders
        for path in sorted(folder.glob("*"))
        if path.suffix in STYLES
    }
