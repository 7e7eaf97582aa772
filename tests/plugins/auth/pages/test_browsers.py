from __future__ import annotations

import pytest

from plugins.auth.pages.browsers import browser_of

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/140.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (CHROME, "Chrome, Windows"),
        (f"{CHROME} Edg/140.0.0.0", "Edge, Windows"),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0",
            "Firefox, Linux",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1",
            "Safari, iPhone",
        ),
        ("Mozilla/5.0 (Linux; Android 15; K) Chrome/140.0.0.0 Mobile Safari/5", "Chrome, Android"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("Mozilla/5.0 (Haiku)", "Mozilla/5.0 (Haiku)"),
        ("", ""),
    ],
)
def test_people_read_its_name_and_system(agent: str, name: str) -> None:
    assert browser_of(agent) == name
