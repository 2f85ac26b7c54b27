"""Whether a file's app is WSGI or ASGI, by its text: certain, or not known."""

from __future__ import annotations

from pathlib import Path

import pytest

from appsvc_runtime.startup.interface import read_interface

SIGNATURE = "(scope, receive, send):\n    pass\n"
CASES = [
    # the name of the app, main.py, the interface
    ("main:app", "from fastapi import FastAPI\napp = FastAPI()\n", "asgi"),
    ("main", "from fastapi import FastAPI\napp = FastAPI()\n", "asgi"),
    ("main", "import fastapi\napplication = fastapi.FastAPI()\n", "asgi"),
    ("main:app", "from fastapi import FastAPI as F\napp: F = F(title='x')\n", "asgi"),
    ("main:app", "from starlette.applications import Starlette\napp = Starlette()\n", "asgi"),
    ("main:app", "from quart import Quart\napp = Quart(__name__)\n", "asgi"),
    ("main:app", f"async def app{SIGNATURE}", "asgi"),
    ("main:app", f"async def app{SIGNATURE.replace('scope', 's')}", "asgi"),
    (
        "main:app",
        "class A:\n    async def __call__(self, s, r, d): ...\napp = A()\n",
        "asgi",
    ),
    (
        "main:app",
        "class A:\n    def __call__(self, scope, r, d): ...\napp = A()\n",
        "asgi",
    ),
    ("main:app", "from fastapi import FastAPI\nclass A(FastAPI):\n    x = 1\napp = A()\n", "asgi"),
    (
        "main:application",
        "from django.core.asgi import get_asgi_application\napplication = get_asgi_application()\n",
        "asgi",
    ),
    (
        "main:create_app()",
        "def create_app():\n    from fastapi import FastAPI\n    app = FastAPI()\n"
        "    app.x = 1\n    return app\n",
        "asgi",
    ),
    (
        "main:create_app()",
        "from fastapi import FastAPI\ndef create_app(debug=False):\n"
        "    if debug:\n        return FastAPI(debug=True)\n    return FastAPI()\n",
        "asgi",
    ),
    (
        "main:app",
        "from fastapi import FastAPI\ndef make():\n    return FastAPI()\napp = make()\n",
        "asgi",
    ),
    (
        "main:app",
        "from fastapi import FastAPI\nfrom starlette.middleware.cors import CORSMiddleware\n"
        "api = FastAPI()\napp = CORSMiddleware(api)\n",
        "asgi",
    ),
    (
        "main:app",
        "from flask import Flask\nfrom asgiref.wsgi import WsgiToAsgi\napp = WsgiToAsgi(Flask(0))",
        "asgi",
    ),
    ("main:app", "import socketio\napp = socketio.ASGIApp(None)\n", "asgi"),
    ("main:app", "from web.api import app\n", "asgi"),
    ("main:app", "from web import app\n", "asgi"),
    ("main:app", "from web import make\napp = make()\n", "asgi"),
    ("web.api:app", "", "asgi"),
    ("web.api.app", "", "asgi"),
    ("web.api", "", "asgi"),
    ("web:app", "", "asgi"),
    ("django.core.asgi.get_asgi_application()", "", "asgi"),
    ("main:app", "from flask import Flask\napp = Flask(__name__)\n", "wsgi"),
    ("main:app", "def app(environ, start_response):\n    return []\n", "wsgi"),
    (
        "main:app",
        "from fastapi import FastAPI\nfrom a2wsgi import ASGIMiddleware\n"
        "app = ASGIMiddleware(FastAPI())\n",
        "wsgi",
    ),
    ("django.core.wsgi.get_wsgi_application()", "", "wsgi"),
    # Not certain: found out when the app is imported.
    ("main:app", "from fastapi import FastAPI\nfrom x import wrap\napp = wrap(FastAPI())\n", ""),
    ("main:app", "from fastapi import FastAPI\napp = FastAPI()\napp = wrap(app)\n", ""),
    (
        "main:app",
        "from fastapi import FastAPI\nfrom flask import Flask\nif x:\n    app = FastAPI()\n"
        "else:\n    app = Flask('x')\n",
        "",
    ),
    ("main:app", f"@deco\nasync def app{SIGNATURE}", ""),
    ("main:app", "class FastAPI:\n    pass\napp = FastAPI()\n", ""),
    ("main:app", "class A:\n    app = 1\napp = A().app\n", ""),
    ("main:app", "from package import app\n", ""),
    ("main:app", "app = app\n", ""),
    ("main:app", "from main import app\n", ""),
    ("main:a", "a = b\nb = a\n", ""),
    ("main:app", "app = None\n", ""),
    ("main:app", "def app(:\n", ""),
    ("main:app", "async def app():\n    pass\n", ""),
    ("main:create_app()", "async def create_app():\n    return FastAPI()\n", ""),
    ("main:create_app()", "def create_app():\n    return create_app()\n", ""),
    ("main:missing", "x = 1\n", ""),
    ("main:a.b", "from fastapi import FastAPI\na = FastAPI()\n", ""),
    ("none:app", "", ""),
    ("", "", ""),
    (":", "", ""),
    ("..:app", "", ""),
    ("../main:app", "from fastapi import FastAPI\napp = FastAPI()\n", ""),
    ("main:app()", "", ""),
    ("\0:app", "", ""),
]


@pytest.mark.parametrize(("name", "text", "interface"), CASES)
def test_the_interface(name: str, text: str, interface: str, tmp_path: Path) -> None:
    """Nothing is imported: the modules that the files name need not exist."""
    (tmp_path / "main.py").write_text(text)
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "__init__.py").write_text(
        "from .api import app\nfrom fastapi import FastAPI\ndef make():\n    return FastAPI()\n"
    )
    (tmp_path / "web" / "api.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    assert read_interface(name, tmp_path) == interface


def test_deep_chains_end(tmp_path: Path) -> None:
    """A site of many files that import from each other takes no long time."""
    for number in range(100):
        (tmp_path / f"m{number}.py").write_text(f"from m{number + 1} import app\n")
    assert read_interface("m0:app", tmp_path) == ""
