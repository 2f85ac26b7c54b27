"""The affinity cookie: which instance it names, and how it is set."""

from __future__ import annotations

import pytest

from appsvc_runtime.emulator.linux.affinity import asked_instance, cookies_for

IDS = ["a" * 64, "b" * 64]
ASKED = [
    pytest.param([], None, id="none"),
    pytest.param([f"ARRAffinity={IDS[1]}"], 1, id="second"),
    pytest.param([f"x=1; ARRAffinity={IDS[0]};y=2"], 0, id="among-others"),
    pytest.param([f"ARRAffinitySameSite={IDS[1]}"], 1, id="same-site"),
    pytest.param(["x=1", f"ARRAffinity={IDS[1]}"], 1, id="second-header"),
    pytest.param([f"ARRAffinity={'c' * 64}"], None, id="gone"),
    pytest.param([f"ARRAffinity={'c' * 64}; ARRAffinity={IDS[1]}"], 1, id="one-is-gone"),
    pytest.param([f"NotARRAffinity={IDS[1]}"], None, id="other-name"),
    pytest.param([f'ARRAffinity="{IDS[1]}"'], None, id="quoted"),
    pytest.param(["ARRAffinity"], None, id="no-value"),
    pytest.param([f"ARRAffinity={IDS[0][:10]}"], None, id="part"),
]


@pytest.mark.parametrize(("headers", "instance"), ASKED)
def test_asked(headers: list[str], instance: int | None) -> None:
    """Only the id of an existing instance counts."""
    assert asked_instance(headers, IDS) == instance


def test_how_it_is_set() -> None:
    """One cookie is set over HTTP; two over HTTPS, both secure."""
    plain = cookies_for("a1", "x.azurewebsites.net", secure=False)
    secure = cookies_for("a1", "x.azurewebsites.net", secure=True)
    assert plain == ["ARRAffinity=a1;Path=/;HttpOnly;Domain=x.azurewebsites.net"]
    assert secure == [
        "ARRAffinity=a1;Path=/;HttpOnly;Secure;Domain=x.azurewebsites.net",
        "ARRAffinitySameSite=a1;Path=/;HttpOnly;SameSite=None;Secure;Domain=x.azurewebsites.net",
    ]
