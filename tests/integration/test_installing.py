"""Installing `[emulator]` beside the pins of an app: pip's own plans, for real environments."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pythons import only_on
from tests.support.wheels import build_wheel, installed, make_venv, plan

# Pins as pip wrote them at that time, with other packages that such apps had and the emulator uses.
# PYTHONS names a Python for each, for which all packages have wheels.
LOCKS = {
    "flask-2.1": """
        Flask==2.1.3 Werkzeug==2.1.2 Jinja2==3.1.2 MarkupSafe==2.1.1 click==8.1.3
        itsdangerous==2.1.2 requests==2.28.1 idna==3.3 charset-normalizer==2.1.0
        cryptography==37.0.4 defusedxml==0.7.1
    """,
    "flask-2.3": """
        Flask==2.3.3 Werkzeug==2.3.8 Jinja2==3.1.2 MarkupSafe==2.1.3 click==8.1.7
        itsdangerous==2.1.2 blinker==1.6.2 aiohttp==3.9.1 multidict==6.0.4 yarl==1.9.2
        regex==2023.8.8
    """,
    "django-3.2": """
        Django==3.2.25 asgiref==3.7.2 sqlparse==0.4.4 pytz==2023.3 croniter==1.4.1
        python-dateutil==2.8.2 cryptography==41.0.4 idna==3.4 regex==2022.10.31
    """,
    "django-4.2": """
        Django==4.2.11 asgiref==3.8.1 sqlparse==0.4.4 whitenoise==6.6.0 aiohttp==3.9.5
        multidict==6.0.5 yarl==1.9.4 attrs==23.2.0 idna==3.7
    """,
    "fastapi-0.95": """
        fastapi==0.95.2 starlette==0.27.0 pydantic==1.10.8 anyio==3.7.0 idna==3.4
        typing_extensions==4.6.3 uvicorn==0.22.0 h11==0.14.0 click==8.1.3 watchfiles==0.19.0
        websockets==11.0.3 python-dotenv==1.0.0
    """,
    "today": "flask django fastapi uvicorn aiohttp",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


PYTHONS = {"flask-2.1": 10, "flask-2.3": 10, "django-3.2": 10, "django-4.2": 12, "fastapi-0.95": 12,
           "today": 14}  # fmt: skip


@pytest.mark.parametrize(
    "lock", [pytest.param(lock, marks=only_on(PYTHONS[lock])) for lock in sorted(LOCKS)]
)
def test_the_emulator_changes_no_version(lock: str, wheel: Path, tmp_path: Path) -> None:
    """Installed versions stay unchanged, and pip finds the other packages."""
    pinned = LOCKS[lock].split()
    python = make_venv(tmp_path / "venv", ["--prefer-binary", *pinned])
    before = installed(python)
    planned = plan(python, f"{wheel}[emulator]")
    assert "appsvc-runtime" in planned
    changed = {name: (before[name], planned[name]) for name in planned.keys() & before.keys()}
    assert changed == {}
